// The header map beside a plain list of fields: both must tell the same after any changes.
import HTTPWire
import Reactor

/// A header map as one would write it without a thought to speed.
private struct Model {
    var fields: [(name: [UInt8], value: [UInt8])] = []

    private func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.map(\.asciiLowercased) == right.map(\.asciiLowercased)
    }

    func values(_ name: [UInt8]) -> [[UInt8]] { fields.filter { isSame($0.name, name) }.map(\.value) }

    mutating func append(_ name: [UInt8], _ value: [UInt8]) { fields.append((name, clean(value))) }

    mutating func set(_ name: [UInt8], _ value: [UInt8]) {
        guard let first = fields.firstIndex(where: { isSame($0.name, name) }) else { return append(name, value) }
        fields[first].value = clean(value)
        let later = fields[(first + 1)...].filter { !isSame($0.name, name) }
        fields.replaceSubrange((first + 1)..., with: later)
    }

    mutating func remove(_ name: [UInt8]) { fields = fields.filter { !isSame($0.name, name) } }

    private func clean(_ value: [UInt8]) -> [UInt8] { value.map { $0 == 13 || $0 == 10 || $0 == 0 ? 32 : $0 } }
}

func fuzzHeaderMap(_ input: inout Input) {
    let map = HeaderMap()
    var model = Model()
    var known: [FixedBytes] = []
    while !input.isEmpty {
        let choice = input.byte()
        let name = choice & 8 == 0 || known.isEmpty ? newName(&input, &known) : known[Int(input.byte()) % known.count]
        // A response: `host` is a field like any other.
        let isPseudo = name.view.first == 0x3a
        let legal = name.view.isToken && !name.view.equalsIgnoringCase("host")
        switch choice & 7 {
        case 0, 1:
            let value = input.text(40)
            guard !isPseudo, legal || !name.view.isToken else { continue }
            check(map.append(name: name.view, value: value.view) == legal, "append of \(name.string)")
            if legal { model.append(name.view.array, value.view.array) }
        case 2:
            let value = input.text(200)
            guard !isPseudo, legal else { continue }
            check(map.set(name: name.view, value: value.view), "set of \(name.string)")
            model.set(name.view.array, value.view.array)
        case 3:
            guard legal else { continue }
            map.remove(named: name.view)
            model.remove(name.view.array)
        case 4:
            // A value of the map itself.
            guard legal, let value = map.value(named: name.view) else { continue }
            let copy = value.array
            map.append(.via, value)
            model.append(Array("via".utf8), copy)
        case 5:
            guard legal, let key = HeaderKey(name.view) else { continue }
            let values = model.values(name.view.array)
            let joined = map.combinedValue(key)?.array
            let separator = Array((key.known == .cookie ? "; " : ",").utf8)
            check(
                joined == (values.isEmpty ? nil : Array(values.joined(separator: separator))), "combined \(name.string)"
            )
        case 6:
            let copy = HeaderMap()
            copy.copy(from: map)
            map.removeAll()
            check(map.isEmpty && map.byteSize == 0, "not empty")
            map.copy(from: copy)
        default:
            map.removeAll { _, value in value.isEmpty }
            model.fields.removeAll { $0.value.isEmpty }
        }
        compare(map, model, name)
    }
}

private func newName(_ input: inout Input, _ known: inout [FixedBytes]) -> FixedBytes {
    let choice = input.byte()
    let name: FixedBytes
    if choice & 1 == 0, let wellKnown = HeaderName(rawValue: choice >> 1) {
        name = FixedBytes(wellKnown.bytes)
    } else {
        name = input.text(24)
    }
    known.append(name)
    return name
}

private func compare(_ map: HeaderMap, _ model: Model, _ name: FixedBytes) {
    var index = 0
    map.forEachField { name, value in
        check(index < model.fields.count, "too many fields")
        check(name.array == model.fields[index].name && value.array == model.fields[index].value, "field \(index)")
        index += 1
    }
    check(index == model.fields.count && map.count == index, "\(map.count) fields instead of \(model.fields.count)")
    check(map.byteSize == model.fields.reduce(0) { $0 + $1.name.count + $1.value.count }, "size \(map.byteSize)")
    guard name.view.isToken else { return }
    let values = model.values(name.view.array)
    check(map.value(named: name.view)?.array == values.first, "first value of \(name.string)")
    if let key = HeaderKey(name.view), key.pseudo == nil {
        var found: [[UInt8]] = []
        map.forEachValue(of: key) { found.append($0.array) }
        check(found == values, "values of \(name.string)")
    }
}
