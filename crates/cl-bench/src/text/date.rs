//! A moment that a chat template may print.

use std::fmt::{self, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment without a time zone. Nothing here reads a clock.
///
/// ```
/// use treelora_cl_bench::text::Date;
///
/// let date = Date::parse("2026-11-28").unwrap();
/// assert_eq!(date.strftime("%d %b %Y"), Ok("28 Nov 2026".to_owned()));
/// assert_eq!(Date::from_unix(951_827_696).to_string(), "2000-02-29T12:34:56");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Seconds since the beginning of 1970.
    seconds: i64,
}

/// The parts of a date, months and days from 1.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// From Sunday, 0.
    weekday: i64,
    /// Of the year, from 1.
    day_of_year: i64,
}

impl Date {
    /// Seconds since the beginning of 1970.
    pub fn from_unix(seconds: i64) -> Self {
        // Years that every format can print.
        Self {
            seconds: seconds.clamp(
                days_before(1, 1, 1) * 86_400,
                days_before(10_000, 1, 1) * 86_400 - 1,
            ),
        }
    }

    /// From `2026-11-28` or `2026-11-28T10:11:12`; `None` for what is neither or no day of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
        let numbers = |text: &str, mark: char| -> Option<[i64; 3]> {
            let parts: Vec<&str> = text.split(mark).collect();
            let number = |part: &&str| part.parse::<u16>().ok().map(i64::from);
            let numbers: Vec<i64> = parts.iter().map(number).collect::<Option<_>>()?;
            numbers.try_into().ok()
        };
        let ([year, month, day], [hour, minute, second]) =
            (numbers(day, '-')?, numbers(time, ':')?);
        let in_range = (1..=9999).contains(&year) && hour < 24 && minute < 60 && second < 60;
        let date = Self::from_unix(
            days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second,
        );
        let parts = date.parts();
        (in_range && (parts.month, parts.day) == (month, day)).then_some(date)
    }

    /// As Python's `datetime.strftime` in the C locale.
    ///
    /// # Errors
    /// Names a directive that is not known.
    pub fn strftime(self, format: &str) -> Result<String, String> {
        let parts = self.parts();
        let mut text = String::new();
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
                continue;
            }
            // `-` leaves the padding away, as on Linux and macOS.
            let (padded, directive) = match characters.next() {
                Some('-') => (false, characters.next()),
                directive => (true, directive),
            };
            let Some(directive) = directive else {
                text.push('%');
                break;
            };
            parts
                .write(&mut text, directive, padded)
                .ok_or_else(|| format!("`%{directive}` of the format {format:?} is not known"))?;
        }
        Ok(text)
    }

    fn parts(self) -> Parts {
        let (days, seconds) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = calendar(days);
        Parts {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_before(year, 1, 1) + 1,
        }
    }
}

impl Parts {
    fn write(&self, text: &mut String, directive: char, padded: bool) -> Option<()> {
        let mut number = |value: i64, width: usize| {
            let width = if padded { width } else { 1 };
            write!(text, "{value:0width$}").ok()
        };
        let clock = match self.hour % 12 {
            0 => 12,
            hour => hour,
        };
        match directive {
            'd' => number(self.day, 2),
            'm' => number(self.month, 2),
            'y' => number(self.year % 100, 2),
            'Y' => number(self.year, 4),
            'H' => number(self.hour, 2),
            'I' => number(clock, 2),
            'M' => number(self.minute, 2),
            'S' => number(self.second, 2),
            'f' => number(0, 6),
            'j' => number(self.day_of_year, 3),
            'w' => number(self.weekday, 1),
            'u' => number((self.weekday + 6) % 7 + 1, 1),
            'U' => number((self.day_of_year + 6 - self.weekday) / 7, 2),
            'W' => number((self.day_of_year + 6 - (self.weekday + 6) % 7) / 7, 2),
            _ => self.write_words(text, directive),
        }
    }

    fn write_words(&self, text: &mut String, directive: char) -> Option<()> {
        let (day, month) = (DAYS[self.weekday as usize], MONTHS[self.month as usize - 1]);
        match directive {
            'a' => text.push_str(&day[..3]),
            'A' => text.push_str(day),
            'b' | 'h' => text.push_str(&month[..3]),
            'B' => text.push_str(month),
            'p' => text.push_str(if self.hour < 12 { "AM" } else { "PM" }),
            '%' => text.push('%'),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            // Without a time zone both are empty.
            'z' | 'Z' => {}
            'F' => write!(text, "{:04}-{:02}-{:02}", self.year, self.month, self.day).ok()?,
            'T' | 'X' => write!(
                text,
                "{:02}:{:02}:{:02}",
                self.hour, self.minute, self.second
            )
            .ok()?,
            'R' => write!(text, "{:02}:{:02}", self.hour, self.minute).ok()?,
            'D' | 'x' => write!(
                text,
                "{:02}/{:02}/{:02}",
                self.month,
                self.day,
                self.year % 100
            )
            .ok()?,
            'c' => write!(
                text,
                "{} {} {:2} {:02}:{:02}:{:02} {}",
                &day[..3],
                &month[..3],
                self.day,
                self.hour,
                self.minute,
                self.second,
                self.year
            )
            .ok()?,
            'e' => write!(text, "{:2}", self.day).ok()?,
            _ => return None,
        }
        Some(())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.strftime("%Y-%m-%dT%H:%M:%S").map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || D::Error::custom(format!("`{text}` is no date such as 2026-11-28"));
        Self::parse(&text).ok_or_else(problem)
    }
}

/// Days from the beginning of 1970 to a day of the Gregorian calendar, by counting leap days in years that begin in
/// March.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

/// Year, month and day of a day, counted from the beginning of 1970.
fn calendar(days: i64) -> (i64, i64, i64) {
    // No later than the year itself, on either side of the beginning.
    let longest = if days < 0 { 365 } else { 366 };
    let mut year = 1970 + days.div_euclid(longest);
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rfind(|month| days_before(year, *month, 1) <= days);
    let month = month.unwrap_or(1);
    (year, month, days - days_before(year, month, 1) + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_back() {
        for days in -200_000..60_000 {
            let (year, month, day) = calendar(days);
            assert_eq!(days_before(year, month, day), days);
            assert!((1..=31).contains(&day) && (1..=12).contains(&month));
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "today",
            "2024-1",
            "2024-01-01T24:00:00",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("2024-02-29").is_some());
    }
}
