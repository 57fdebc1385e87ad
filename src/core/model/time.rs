//! The only way from an outside number to a time: what a file, a process or another program says
//! may be any number, and a calendar ends somewhere.
//!
//! A time from outside counts only if vmux and what it watches can have lived through it.
//! Arithmetic on such a time stays within the calendar; [`after`] and [`before`] do so for any
//! time.

use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Seconds since 1970 at the beginning of 2000: no agent is older.
const FIRST: i64 = 946_684_800;
/// The same of 2200. A clock that is wrong by more is no clock.
const LAST: i64 = 7_258_118_400;

/// This time, if it can be one.
#[must_use]
pub fn plausible(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (FIRST..LAST).contains(&at.timestamp()).then_some(at)
}

/// The time so many milliseconds after 1970.
#[must_use]
pub fn from_millis(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).and_then(plausible)
}

/// The time so many seconds after 1970.
#[must_use]
pub fn from_seconds(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0).and_then(plausible)
}

/// The time that is written so (RFC 3339).
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    plausible(at.to_utc())
}

/// A time of a file, which anybody may have set. One before or after all times counts as the
/// first or last of them, so that files can still be put in order.
#[must_use]
pub fn of_file(at: SystemTime) -> DateTime<Utc> {
    let since_1970 = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(LAST);
    let nanoseconds = match seconds {
        FIRST..LAST => since_1970.subsec_nanos(),
        _ => 0,
    };
    DateTime::from_timestamp(seconds.clamp(FIRST, LAST - 1), nanoseconds).unwrap_or_default()
}

/// The time `delta` after `at`; the calendar's last if it ends before that.
#[must_use]
pub fn after(at: DateTime<Utc>, delta: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(delta)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The time `delta` before `at`; the calendar's first if it begins after that.
#[must_use]
pub fn before(at: DateTime<Utc>, delta: TimeDelta) -> DateTime<Utc> {
    at.checked_sub_signed(delta)
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Reads a time that travelled or was kept, for `deserialize_with`: anything else than a time
/// that can be one counts as none, and costs nothing that stands beside it.
///
/// # Errors
/// Those of the format itself.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    deserializer.deserialize_any(Lenient)
}

struct Lenient;

impl<'de> Visitor<'de> for Lenient {
    type Value = Option<DateTime<Utc>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(parse(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_number_that_is_no_time_is_none() {
        for odd in [
            0,
            5,
            -1,
            i64::MIN,
            i64::MAX,
            -8_334_601_228_800_000,
            8_210_266_876_799_999,
        ] {
            assert_eq!(from_millis(odd), None, "{odd}");
            assert_eq!(from_seconds(odd / 1000), None, "{odd}");
        }
        assert!(from_millis(1_795_164_512_106).is_some());
        for odd in [
            "",
            "soon",
            "+262142-12-31T23:59:59Z",
            "1999-12-31T23:59:59Z",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        let at = parse("2026-11-20T09:48:32.106+01:00");
        assert_eq!(at, from_millis(1_795_164_512_106));
    }

    #[test]
    fn any_time_of_a_file_keeps_its_place_in_the_order() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let ancient = SystemTime::UNIX_EPOCH
            .checked_sub(Duration::from_secs(1 << 62))
            .unwrap();
        let far = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(i64::MAX as u64))
            .unwrap();
        let times = [ancient, at(1_795_164_512), at(1_795_164_513), far].map(of_file);
        assert!(times.is_sorted() && times[1] < times[2]);
        assert!(times.into_iter().all(|at| plausible(at).is_some()));
        assert_eq!(SystemTime::from(times[1]), at(1_795_164_512));
    }

    #[test]
    fn the_calendar_ends_and_arithmetic_does_not() {
        let hour = TimeDelta::hours(1);
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        assert_eq!((before(first, hour), after(last, hour)), (first, last));
        assert_eq!(after(last, -hour), last - hour);
    }

    #[test]
    fn a_time_on_the_wire_costs_only_itself() {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Line {
            #[serde(deserialize_with = "deserialize")]
            at: Option<DateTime<Utc>>,
            n: u8,
        }
        for odd in [
            "null",
            "7",
            r#""+262142-01-01T00:00:00Z""#,
            r#"{"a":[1]}"#,
            r#""x""#,
        ] {
            let line: Line = serde_json::from_str(&format!(r#"{{"at":{odd},"n":1}}"#)).unwrap();
            assert_eq!((line.at, line.n), (None, 1), "{odd}");
        }
        let line: Line = serde_json::from_str(r#"{"at":"2026-11-20T08:48:32.106Z"}"#).unwrap();
        assert_eq!(line.at, from_millis(1_795_164_512_106));
    }
}
