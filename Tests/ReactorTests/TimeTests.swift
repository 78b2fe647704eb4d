// TimeAmount, MonotonicTime and WallTime: saturation and text.
import Reactor
import Testing

@Suite struct TimeTests {
    @Test func amountsSaturate() {
        #expect(TimeAmount.seconds(.max) == .max)
        #expect(TimeAmount.hours(.min).nanoseconds == .min)
        #expect(TimeAmount.max + .seconds(1) == .max)
        #expect((TimeAmount(nanoseconds: .min) - .seconds(1)).nanoseconds == .min)
        #expect(TimeAmount.max * 2 == .max)
        #expect((TimeAmount.max * -2).nanoseconds == .min)
        #expect(TimeAmount.milliseconds(1500).seconds == 1)
    }

    @Test func amountsReadAsPeopleWriteThem() {
        #expect(TimeAmount.seconds(15).description == "15s")
        #expect(TimeAmount.milliseconds(250).description == "250ms")
        #expect(TimeAmount.milliseconds(1500).description == "1.5s")
        #expect(TimeAmount.milliseconds(1005).description == "1.005s")
        #expect(TimeAmount.microseconds(20).description == "20us")
        #expect(TimeAmount.zero.description == "0s")
        #expect(TimeAmount(nanoseconds: -3).description == "-3ns")
        #expect(TimeAmount(nanoseconds: .min).description == "-9223372036.854775808s")
    }

    @Test func amountsAreReadAsPeopleWriteThem() {
        #expect(TimeAmount(parsing: "15") == .seconds(15))
        #expect(TimeAmount(parsing: "15s") == .seconds(15))
        #expect(TimeAmount(parsing: "250ms") == .milliseconds(250))
        #expect(TimeAmount(parsing: "2m") == .minutes(2))
        #expect(TimeAmount(parsing: "1h") == .hours(1))
        for text in ["", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999"] {
            #expect(TimeAmount(parsing: text) == nil)
        }
    }

    @Test func pointsInTimeSaturate() {
        let early = MonotonicTime(ns: 5)
        #expect(early + .seconds(-1) == .zero)
        #expect(MonotonicTime.distantFuture + .seconds(1) == .distantFuture)
        #expect(MonotonicTime.distantFuture - early == .max)
        #expect(early - MonotonicTime(ns: 8) == .nanoseconds(-3))
        #expect(early - .distantFuture < .zero)
        #expect(early + TimeAmount(nanoseconds: .min) == .zero)
    }

    @Test func wallTimeSplitsBeforeTheEpochToo() {
        let time = WallTime(unixNanoseconds: -1)
        #expect(time.unixSeconds == -1 && time.nanosecondOfSecond == 999_999_999)
        let later = WallTime(unixNanoseconds: 1_704_067_200_123_456_789)
        #expect(later.unixSeconds == 1_704_067_200 && later.nanosecondOfSecond == 123_456_789)
        #expect(later - time == TimeAmount(nanoseconds: 1_704_067_200_123_456_790))
    }
}
