// Seconds since the epoch as year, month, day and time of day.
import Glibc

/// A moment in the proleptic Gregorian calendar, in UTC or in the machine's time zone.
struct CivilTime {
    let unixSeconds: Int64
    let year: Int64
    /// 1...12
    let month: Int
    /// 1...31
    let day: Int
    let hour: Int
    let minute: Int
    let second: Int
    /// 0 is Sunday.
    let weekday: Int
    /// 0 is the first of January.
    let dayOfYear: Int
    /// Seconds east of Greenwich.
    let offset: Int64
    let zone: String

    /// - Parameter local: in the machine's time zone (`TZ`) instead of UTC.
    init(unixSeconds: Int64, local: Bool) {
        self.unixSeconds = unixSeconds
        if local {
            var time = time_t(unixSeconds)
            var parts = tm()
            localtime_r(&time, &parts)
            offset = Int64(parts.tm_gmtoff)
            zone = parts.tm_zone.map { String(cString: $0) } ?? "UTC"
        } else {
            offset = 0
            zone = "UTC"
        }
        let shifted = unixSeconds &+ offset
        var days = shifted / 86_400
        var seconds = shifted % 86_400
        if seconds < 0 {
            seconds += 86_400
            days -= 1
        }
        hour = Int(seconds / 3600)
        minute = Int(seconds / 60 % 60)
        second = Int(seconds % 60)
        weekday = Int(((days + 4) % 7 + 7) % 7)
        (year, month, day) = CivilTime.date(daysSinceEpoch: days)
        dayOfYear = Int(days - CivilTime.days(year: year, month: 1, day: 1))
    }

    /// Years begin in March here, so that leap days come last; eras have 400 years.
    private static func date(daysSinceEpoch: Int64) -> (Int64, Int, Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), Int(month), Int(day))
    }

    static func days(year: Int64, month: Int, day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// ISO 8601 week and the year that it belongs to.
    var isoWeek: (year: Int64, week: Int) {
        let mondayBased = (weekday + 6) % 7
        let week = (dayOfYear - mondayBased + 10) / 7
        if week < 1 {
            let lastDay = CivilTime.isLeap(year - 1) ? 365 : 364
            let lastMondayBased = ((mondayBased - dayOfYear - 1) % 7 + 7) % 7
            return (year - 1, (lastDay - lastMondayBased + 10) / 7)
        }
        if week == 53 {
            let days = CivilTime.isLeap(year) ? 366 : 365
            // Week 53 needs a Thursday in this year.
            if days - dayOfYear + mondayBased < 4 { return (year + 1, 1) }
        }
        return (year, week)
    }
}
