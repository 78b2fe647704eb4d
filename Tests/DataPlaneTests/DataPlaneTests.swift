// Tests of DataPlane.
