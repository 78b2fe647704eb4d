// `/config_dump`: the configuration in use, whole or in parts.
import Configuration
import Matching

enum ConfigDumpPage {
    static let parameters: [AdminEndpoint.Parameter] = [
        .init("resource", .text, "one list of the dump, for example static_clusters"),
        .init("mask", .text, "fields to show, for example bootstrap.node; with resource: of each element"),
        .init("name_regex", .text, "regular expression (RE2) that the whole name of a resource matches"),
        .init("include_eds", .flag, "the endpoints of the clusters, too"),
    ]

    static func answer(_ backend: any AdminBackend, _ parameters: AdminParameters) -> AdminAnswer {
        var pattern: Regex?
        if let text = parameters["name_regex"] {
            do throws(RegexError) {
                pattern = try Regex(text)
            } catch {
                return AdminAnswer("Error while parsing name_regex from \(text): \(error)", status: 400)
            }
        }
        var mask: FieldMask?
        if let text = parameters["mask"] {
            guard let parsed = FieldMask(text) else { return AdminAnswer("FieldMask has too many paths", status: 400) }
            mask = parsed
        }
        let sections = ConfigSection.all(backend, includesEndpoints: parameters.has("include_eds")) { name in
            pattern?.matches(name) ?? true
        }
        if let resource = parameters["resource"] { return list(resource, of: sections, mask) }
        return whole(sections, mask)
    }

    private static func whole(_ sections: [ConfigSection], _ mask: FieldMask?) -> AdminAnswer {
        guard let mask else { return page(sections.map(\.json)) }
        let trimmed = sections.compactMap { section in
            mask.fits(section.singleNames, lists: Set(section.lists.map(\.field))) ? mask.trim(section.json) : nil
        }
        guard !trimmed.isEmpty else {
            return AdminAnswer("FieldMask \(mask.text) could not be successfully applied to any configs.", status: 400)
        }
        return page(trimmed)
    }

    private static func list(
        _ resource: String, of sections: [ConfigSection], _ mask: FieldMask?
    ) -> AdminAnswer {
        for section in sections {
            if section.singleNames.contains(resource) {
                return AdminAnswer(
                    "\(resource) is not a repeated field. Use ?mask=\(resource) to get only this field", status: 400)
            }
            guard let list = section.lists.first(where: { $0.field == resource }) else { continue }
            let elements = section.elements(of: list)
            guard let mask else { return page(elements) }
            let trimmed = mask.fits(list.fields, lists: []) ? elements.map { mask.trim($0) } : elements.map { _ in nil }
            guard trimmed.allSatisfy({ $0 != nil }) else {
                return AdminAnswer("FieldMask \(mask.text) could not be successfully used.", status: 400)
            }
            return page(trimmed.compactMap { $0 })
        }
        return AdminAnswer("\(resource) not found in config dump", status: 404)
    }

    private static func page(_ configs: [JSONValue]) -> AdminAnswer {
        AdminAnswer(.members(("configs", .list(configs))))
    }
}
