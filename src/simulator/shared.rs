//! What all connections of one simulator share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::books::Books;
use super::clock::ExchangeClock;
use super::error::SimulatorError;
use super::faults::{Call, Fault, FaultKind, FaultSpec, List};
use super::limits::Limits;
use super::requests::Requests;
use super::settings::{REAL_SLACK, Settings};
use super::signing::Credentials;
use super::venue::{Answer, Command};
use super::ws::Hub;
use crate::clock::{Clock, Speed};
use crate::model::SessionTime;

/// One simulator: books, connections, limits, clock.
pub struct Shared {
    core: Mutex<Core>,
    pub clock: ExchangeClock,
    pub credentials: Credentials,
    ended: watch::Sender<bool>,
}

/// What is changed under the lock, by one at a time.
pub struct Core {
    pub books: Books,
    pub hub: Hub,
    pub limits: Limits,
    pub requests: Requests,
}

impl Shared {
    pub fn open(settings: &Settings, clock: Clock) -> Result<Arc<Self>, SimulatorError> {
        settings.clock.check()?;
        let clock = ExchangeClock::new(clock);
        let candles = settings.candles.as_ref().map(|market| &market.candles);
        let books = Books::open(settings.data_dir.as_deref(), settings.beginning(), candles, clock.now())?;
        let core = Core {
            books,
            hub: Hub::default(),
            limits: Limits::new(settings.rate_limits),
            requests: Requests::default(),
        };
        Ok(Arc::new(Self {
            core: Mutex::new(core),
            clock,
            credentials: settings.credentials.clone(),
            ended: watch::Sender::new(false),
        }))
    }

    /// The core, for one at a time. Never held over a wait.
    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Session time that a signed request may be off, beyond the documented window: a session that
    /// runs a thousand times as fast lets seconds pass on the way of a request.
    pub fn slack(&self) -> Duration {
        match self.clock.speed() {
            Speed::Times(factor) if factor > 1.0 => {
                Duration::try_from_secs_f64(REAL_SLACK.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
            _ => Duration::ZERO,
        }
    }

    /// Becomes true when a recorded market has come to its end.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Moves the markets on with the clock until the recording ends or the books fail.
    pub async fn drive(self: Arc<Self>) -> Result<(), SimulatorError> {
        let step = self.lock().books.venue.step();
        // So fast a session that steps would come closer than this goes several steps at a time.
        let least = Duration::from_millis(2);
        loop {
            let pause = self.clock.real(step);
            if pause < least && self.clock.speed() != Speed::Max {
                tokio::time::sleep(least).await;
            } else {
                self.clock.sleep(step).await;
            }
            let now = self.clock.now();
            let ended = {
                let mut core = self.lock();
                core.tick(now)?;
                core.books.venue.ended()
            };
            if ended {
                self.ended.send_replace(true);
                return Ok(());
            }
        }
    }
}

impl Core {
    /// Brings time to `now` and tells everybody what happened.
    pub fn tick(&mut self, now: SessionTime) -> Result<(), SimulatorError> {
        self.books.advance(now)?;
        self.publish()
    }

    /// Carries out a command, durably, and tells everybody what happened.
    pub fn execute(&mut self, now: SessionTime, command: &Command) -> Result<Answer, SimulatorError> {
        let answer = self.books.execute(now, command)?;
        self.publish()?;
        Ok(answer)
    }

    /// The fault that comes up for a call, if any; counts it.
    pub fn fault(&mut self, now: SessionTime, call: &Call<'_>) -> Result<Option<FaultSpec>, SimulatorError> {
        let fault = self.ask(now, FaultSpec::is_of_calls, Some(call))?;
        Ok(fault.map(|fault| fault.spec))
    }

    /// The fault of this kind that comes up for a list, if any, as it was when it was asked; counts
    /// it.
    pub fn list_fault(
        &mut self,
        now: SessionTime,
        kind: FaultKind,
        list: List,
        path: &str,
    ) -> Result<Option<Fault>, SimulatorError> {
        let here = |spec: &FaultSpec| spec.path.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()));
        self.ask(now, |spec| spec.kind == kind && spec.is_for_list(list) && here(spec), None)
    }

    /// The fault of the WebSocket that comes up, if any; counts it.
    pub fn socket_fault(&mut self, kinds: &[FaultKind]) -> Result<Option<FaultSpec>, SimulatorError> {
        let now = self.books.venue.now;
        Ok(self.ask(now, |spec| kinds.contains(&spec.kind), None)?.map(|fault| fault.spec))
    }

    /// The fault that comes up for a private push, if any; counts it.
    fn push_fault(&mut self, channel: &str) -> Result<Option<FaultSpec>, SimulatorError> {
        let now = self.books.venue.now;
        let twists = |kind| {
            matches!(kind, FaultKind::WsLose | FaultKind::WsDuplicate | FaultKind::WsReorder | FaultKind::WsDelay)
        };
        let fault = self.ask(now, |spec| twists(spec.kind) && spec.is_for_channel(channel), None)?;
        Ok(fault.map(|fault| fault.spec))
    }

    fn ask(
        &mut self,
        now: SessionTime,
        wanted: impl Fn(&FaultSpec) -> bool,
        call: Option<&Call<'_>>,
    ) -> Result<Option<Fault>, SimulatorError> {
        let venue = &self.books.venue;
        if venue.faults.is_empty() {
            return Ok(None);
        }
        let candidates: Vec<(bool, Fault)> = venue
            .faults
            .values()
            .filter(|fault| fault.is_on(now) && wanted(&fault.spec))
            .filter(|fault| call.is_none_or(|call| fault.is_for(call)))
            .map(|fault| (fault.comes_up(venue.seed), fault.clone()))
            .collect();
        for (fired, fault) in candidates {
            if fault.spec.counts() {
                self.books.execute(now, &Command::FaultAsked { id: fault.id, fired })?;
            }
            if fired {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    /// Ends everything at once: the connections, and the books.
    pub fn stop(&mut self) {
        self.hub.drop_all();
        self.books.close();
    }

    /// Sends out what has happened since the last time.
    pub fn publish(&mut self) -> Result<(), SimulatorError> {
        if self.hub.is_empty() {
            self.books.venue.take_pushes();
            self.hub.stalled = false;
            return Ok(());
        }
        if self.socket_fault(&[FaultKind::WsDrop])?.is_some() {
            self.hub.drop_all();
        }
        let stalled = self.socket_fault(&[FaultKind::WsStall])?.is_some();
        for push in self.books.venue.take_pushes() {
            if !stalled {
                let twist = self.push_fault(push.channel)?;
                self.hub.private(&push, twist.as_ref(), self.books.venue.now);
            }
        }
        self.hub.stalled = stalled;
        self.hub.public(&self.books.venue);
        Ok(())
    }
}
