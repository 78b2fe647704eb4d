// Format strings (`%REQ(X)%`), checked where they are written.
import DataPlane

extension SpecContext {
    /// Notes what is wrong with a format string of an access log, header or path.
    func check(format template: String, _ path: FieldPath) {
        do throws(FormatError) {
            metadataUse.add(try Formatter.check(template))
        } catch {
            bad(path, error.description)
        }
    }
}
