// The names of Unicode's scalars, which a release goes without.

/// Stands in for the standard library's look-up in a release (`--wrap` in scripts/build): the names of all scalars are half a
/// megabyte, kept for `Unicode.Scalar.Properties.name`, and nobody here asks. Whoever did would get nil.
/// - Returns: the length of the name, which is none.
@_cdecl("__wrap__swift_stdlib_getScalarName")
func nameOfScalar(_ scalar: UInt32, _ buffer: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> Int { 0 }
