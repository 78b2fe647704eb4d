// Sorts texts in steps, so that whoever has other things to do can do them in between.
import Glibc

/// A merge sort of byte strings. One thread.
struct StepwiseSort {
    /// Strings that one step looks at: about a millisecond's worth.
    private static let stepSize = 2048
    private static let runSize = 512

    private enum Phase {
        case gathering
        case sortingRuns
        /// Runs of `width` are sorted, and those before `start` merged.
        case merging(width: Int, start: Int)
        case done
    }

    private var phase = Phase.gathering
    private let count: Int
    private var bytes: [UInt8] = []
    private var starts: [Int] = [0]
    private var order: [UInt32] = []
    private var merged: [UInt32] = []

    /// Of so many strings.
    init(count: Int) {
        self.count = count
        starts.reserveCapacity(count + 1)
    }

    /// The numbers of the strings, in their order, when `step` has returned false.
    var result: [UInt32] { order }

    /// Does some of the work. False: there is none left.
    ///
    /// - Parameter key: appends the bytes of the string of a number; called once for each.
    mutating func step(key: (Int, inout [UInt8]) -> Void) -> Bool {
        switch phase {
        case .gathering:
            for number in order.count..<min(count, order.count + StepwiseSort.stepSize) {
                key(number, &bytes)
                starts.append(bytes.count)
                order.append(UInt32(truncatingIfNeeded: number))
            }
            if order.count == count {
                merged = []
                merged.reserveCapacity(count)
                phase = .sortingRuns
            }
        case .sortingRuns:
            // What is sorted already stands in `merged`.
            let end = min(count, merged.count + StepwiseSort.stepSize)
            while merged.count < end {
                merged += order[merged.count..<min(count, merged.count + StepwiseSort.runSize)].sorted(by: isBefore)
            }
            if merged.count == count { finishPass(width: StepwiseSort.runSize) }
        case .merging(let width, var start):
            let end = min(count, start + max(2 * width, StepwiseSort.stepSize))
            while start < end {
                let middle = min(count, start + width)
                merge(start..<middle, middle..<min(count, middle + width))
                start = min(count, middle + width)
            }
            if start == count { finishPass(width: 2 * width) } else { phase = .merging(width: width, start: start) }
        case .done:
            return false
        }
        return true
    }

    private mutating func finishPass(width: Int) {
        swap(&order, &merged)
        merged.removeAll(keepingCapacity: true)
        guard width < count else {
            phase = .done
            merged = []
            bytes = []
            starts = []
            return
        }
        phase = .merging(width: width, start: 0)
    }

    private mutating func merge(_ left: Range<Int>, _ right: Range<Int>) {
        var (one, other) = (left.lowerBound, right.lowerBound)
        while one < left.upperBound, other < right.upperBound {
            if isBefore(order[other], order[one]) {
                merged.append(order[other])
                other += 1
            } else {
                merged.append(order[one])
                one += 1
            }
        }
        merged += order[one..<left.upperBound]
        merged += order[other..<right.upperBound]
    }

    private func isBefore(_ one: UInt32, _ other: UInt32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            let left = UnsafeRawBufferPointer(rebasing: bytes[starts[Int(one)]..<starts[Int(one) + 1]])
            let right = UnsafeRawBufferPointer(rebasing: bytes[starts[Int(other)]..<starts[Int(other) + 1]])
            guard let first = left.baseAddress, let second = right.baseAddress else { return left.count < right.count }
            let order = memcmp(first, second, min(left.count, right.count))
            return order == 0 ? left.count < right.count : order < 0
        }
    }
}
