// TestKit: scripted upstreams and clients, certificates, a clock that the test owns.
