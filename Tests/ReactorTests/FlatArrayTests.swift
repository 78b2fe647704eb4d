// FlatArray: growth, change in place, copies and memory.
import Reactor
import Testing

@Suite struct FlatArrayTests {
    @Test func growsAndKeepsItsElements() {
        var array = FlatArray<Int>()
        let capacity = array.capacity
        #expect(capacity == 0)
        for value in 0..<1000 { array.append(value) }
        array[7] = 100
        let elements = values(of: array)
        #expect(elements == [0, 1, 2, 3, 4, 5, 6, 100] + Array(8..<1000))
    }

    @Test func keepsOrGivesBackItsMemory() {
        var array = FlatArray<UInt16>()
        for value in 0..<40 { array.append(UInt16(value)) }
        let capacity = array.capacity
        array.removeAll()
        let kept = array.capacity
        #expect(kept == capacity)
        array.removeAll(keepingCapacity: false)
        let given = array.capacity
        #expect(given == 0)
        array.append(3)
        let elements = values(of: array)
        #expect(elements == [3])
    }

    @Test func copiesAreIndependent() {
        var one = FlatArray<Int>()
        var other = FlatArray<Int>()
        for value in 0..<50 { one.append(value) }
        other.append(-1)
        other.copy(from: one)
        one[0] = 99
        let elements = values(of: other)
        #expect(elements == Array(0..<50))
        one.removeAll()
        other.copy(from: one)
        let isEmpty = other.isEmpty
        #expect(isEmpty)
    }

    private func values<Element>(of array: borrowing FlatArray<Element>) -> [Element] {
        (0..<array.count).map { array[$0] }
    }
}
