//! Sleep: the machine was suspended, or this program was stopped. The clock that counts suspends runs
//! on while the monotonic one stands still; a stopped program finds its monotonic clock far ahead of
//! when it last looked. The arithmetic is pure; readings come from outside.

use std::time::Duration;

/// Clocks that drift apart by no more than this have not slept: reading both takes its time, too.
const APART: Duration = Duration::from_secs(1);
/// Looks this far apart are a program that stood still.
const STALL: Duration = Duration::from_secs(5);

/// Both clocks, read as close together as can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Counts while the machine sleeps.
    pub boot: Duration,
    /// Stands still meanwhile.
    pub monotonic: Duration,
}

impl Reading {
    /// The machine's clocks now. Where no clock counts suspends both are the same, and only a program
    /// that stood still is noticed.
    pub fn now() -> Self {
        let monotonic = read(rustix::time::ClockId::Monotonic);
        #[cfg(target_os = "linux")]
        let boot = read(rustix::time::ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let boot = monotonic;
        Self { boot, monotonic }
    }
}

fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let (secs, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(secs, nanos)
}

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slept {
    /// For how long nothing happened here.
    pub whole: Duration,
    /// How much of it the monotonic clock did not count.
    pub uncounted: Duration,
}

/// Looks at the clocks, about once a second.
#[derive(Clone, Copy, Debug)]
pub struct Sleeps {
    /// When the clocks were last taken to agree.
    agreed: Reading,
    last: Reading,
}

impl Sleeps {
    /// From this reading on.
    pub fn since(reading: Reading) -> Self {
        Self { agreed: reading, last: reading }
    }

    /// Takes a reading; says when the time since the last one was slept through.
    pub fn look(&mut self, now: Reading) -> Option<Slept> {
        let drift = |from: Reading| {
            let boot = now.boot.saturating_sub(from.boot);
            boot.saturating_sub(now.monotonic.saturating_sub(from.monotonic))
        };
        // Against the last agreement and not the last look, so that many short sleeps add up.
        let uncounted = drift(self.agreed);
        let uncounted = if uncounted > APART { uncounted } else { Duration::ZERO };
        let stood = now.monotonic.saturating_sub(self.last.monotonic);
        let stood = if stood > STALL { stood } else { Duration::ZERO };
        self.last = now;
        if uncounted > Duration::ZERO {
            self.agreed = now;
        }
        let whole = uncounted.saturating_add(stood);
        (whole > Duration::ZERO).then_some(Slept { whole, uncounted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot_ms: u64, monotonic_ms: u64) -> Reading {
        Reading { boot: Duration::from_millis(boot_ms), monotonic: Duration::from_millis(monotonic_ms) }
    }

    fn slept(whole_ms: u64, uncounted_ms: u64) -> Slept {
        let (whole, uncounted) = (Duration::from_millis(whole_ms), Duration::from_millis(uncounted_ms));
        Slept { whole, uncounted }
    }

    #[test]
    fn a_suspend_is_what_the_monotonic_clock_did_not_count_and_is_told_once() {
        let mut sleeps = Sleeps::since(at(5_000, 1_000));
        assert_eq!(sleeps.look(at(6_000, 2_000)), None);
        assert_eq!(sleeps.look(at(7_207_000, 3_000)), Some(slept(7_200_000, 7_200_000)));
        assert_eq!(sleeps.look(at(7_208_000, 4_000)), None);
    }

    #[test]
    fn short_sleeps_add_up() {
        let mut sleeps = Sleeps::since(at(0, 0));
        assert_eq!(sleeps.look(at(1_700, 1_000)), None);
        assert_eq!(sleeps.look(at(3_400, 2_000)), Some(slept(1_400, 1_400)));
    }

    #[test]
    fn a_program_that_was_stopped_is_told_and_its_clock_needs_nothing() {
        let mut sleeps = Sleeps::since(at(0, 0));
        assert_eq!(sleeps.look(at(4_900, 4_900)), None);
        assert_eq!(sleeps.look(at(11_000, 11_000)), Some(slept(6_100, 0)));
        assert_eq!(sleeps.look(at(41_000, 31_000)), Some(slept(30_000, 10_000)), "stopped, and suspended meanwhile");
    }

    #[test]
    fn clocks_that_step_back_are_nothing() {
        let mut sleeps = Sleeps::since(at(10_000, 10_000));
        assert_eq!(sleeps.look(at(9_000, 9_500)), None);
        assert_eq!(sleeps.look(at(10_500, 10_500)), None);
    }

    #[test]
    fn the_machines_clocks_can_be_read() {
        let (one, two) = (Reading::now(), Reading::now());
        assert!(one.monotonic > Duration::ZERO && two.monotonic >= one.monotonic && two.boot >= one.boot);
    }
}
