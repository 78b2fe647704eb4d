// `/stats` in all its formats, and `/stats/prometheus`.
import Matching
import Metrics

enum StatsPage {
    private static let filters: [AdminEndpoint.Parameter] = [
        .init("usedonly", .flag, "only stats that were written since the start"),
        .init("filter", .text, "regular expression (RE2) that a part of the stat's name matches"),
        .init("invert_filter", .flag, "only stats that the filter does not match"),
    ]

    static let parameters =
        filters + [
            .init("format", .choice(["html", "active-html", "text", "json", "prometheus"]), "how to print it"),
            .init(
                "type", .choice(["All", "Counters", "Histograms", "Gauges", "TextReadouts"]), "which kinds of stats"),
            .init(
                "histogram_buckets", .choice(["summary", "cumulative", "disjoint", "detailed"]),
                "how to print histograms"),
        ]

    static let prometheusParameters =
        filters + [
            .init("text_readouts", .flag, "text readouts as gauges of value 0 with a label text_value"),
            .init("histogram_buckets", .choice(["cumulative", "summary"]), "how to print histograms"),
        ]

    fileprivate enum Format: String {
        case html
        case activeHTML = "active-html"
        case json
        case prometheus
        case text
    }

    /// What was wrong with a parameter.
    private struct Refusal: Error {
        let text: String
    }

    static func answer(_ desk: AdminDesk, _ parameters: AdminParameters, isPrometheus: Bool) -> AdminAnswer {
        do throws(Refusal) {
            let filter = try filter(parameters)
            let buckets = parameters["histogram_buckets"]
            guard buckets == nil || bucketWords.contains(buckets ?? "") else {
                throw Refusal(
                    text: "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n")
            }
            guard let format = Format(rawValue: parameters["format"] ?? "text") else {
                throw Refusal(text: "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n")
            }
            let hidden = parameters["hidden"]
            guard hidden == nil || ["include", "only", "exclude"].contains(hidden) else {
                throw Refusal(text: "usage: /stats?hidden=(include|only|exclude)\n\n")
            }
            // No stat is hidden here, so that only this one makes a difference.
            if hidden == "only" { return AdminAnswer([], isPrometheus ? .prometheus : format.contentType) }
            if isPrometheus || format == .prometheus {
                return try prometheus(desk, filter, buckets, textReadouts: parameters.has("text_readouts"))
            }
            let display = try display(buckets)
            desk.backend.refreshStats()
            let store = desk.backend.stats
            switch format {
            case .json:
                return answer(StatPage(json: filter, histograms: display, of: store), .json, store)
            case .html, .activeHTML:
                let text = answer(StatPage(text: filter, histograms: display, of: store), .html, store)
                return HomePage.stats(desk, parameters, text, refreshes: format == .activeHTML)
            case .text, .prometheus:
                return answer(StatPage(text: filter, histograms: display, of: store), .text, store)
            }
        } catch {
            return AdminAnswer(error.text, status: 400)
        }
    }

    /// A page holds a snapshot until its reader has all of it.
    private static func answer(
        _ page: StatPage, _ type: AdminAnswer.ContentType, _ store: StatStore
    ) -> AdminAnswer {
        AdminAnswer(type, memory: store.count * StatSnapshot.bytesAStat + AdminHandler.piece) { page.next() }
    }

    private static let bucketWords: Set<String> = [
        "none", "summary", "cumulative", "disjoint", "detailed", "prometheusnative",
    ]

    private static func filter(_ parameters: AdminParameters) throws(Refusal) -> StatFilter {
        var filter = StatFilter()
        filter.usedOnly = parameters.has("usedonly")
        guard let kinds = StatFilter.kinds(named: parameters["type"] ?? "All") else {
            throw Refusal(text: "invalid &type= param")
        }
        filter.kinds = kinds
        if let pattern = parameters["filter"] {
            let regex: Regex
            do throws(RegexError) {
                regex = try Regex(pattern)
            } catch {
                throw Refusal(text: error.asAdminText(pattern))
            }
            let isInverted = parameters.has("invert_filter")
            filter.accepts = { regex.containsMatch(in: $0) != isInverted }
        }
        return filter
    }

    private static func display(_ buckets: String?) throws(Refusal) -> HistogramDisplay {
        switch buckets {
        case nil, "none": return .summary
        case "prometheusnative": throw Refusal(text: "Invalid histogram_buckets type for non prometheus stats type")
        case let word?: return HistogramDisplay(rawValue: word) ?? .summary
        }
    }

    private static func prometheus(
        _ desk: AdminDesk, _ filter: StatFilter, _ buckets: String?, textReadouts: Bool
    ) throws(Refusal) -> AdminAnswer {
        var options = PrometheusText.Options()
        options.filter = filter
        // `type` is looked at and then ignored, as in Envoy.
        options.filter.kinds = Set(StatKind.allCases)
        options.textReadouts = textReadouts
        switch buckets {
        case nil, "cumulative": break
        case "none", "summary": options.summaries = true
        case "prometheusnative":
            throw Refusal(text: "unsupported prometheusnative histogram type when not using protobuf exposition format")
        default: throw Refusal(text: "unsupported prometheus histogram bucket mode")
        }
        desk.backend.refreshStats()
        let store = desk.backend.stats
        return answer(StatPage(prometheus: options, of: store), .prometheus, store)
    }
}

extension StatsPage.Format {
    fileprivate var contentType: AdminAnswer.ContentType {
        switch self {
        case .html, .activeHTML: .html
        case .json: .json
        case .prometheus: .prometheus
        case .text: .text
        }
    }
}

extension RegexError {
    /// Envoy's words: the reason before the pattern.
    func asAdminText(_ pattern: String) -> String {
        let lead = "invalid regex '\(pattern)': "
        return "Invalid re2 regex: "
            + (description.hasPrefix(lead) ? String(description.dropFirst(lead.count)) : description)
    }
}
