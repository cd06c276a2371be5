//! One connection of the stream, from the login to its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::StreamHealth;
use super::frame::{Heard, Reader, ends_login};
use super::outbox::Outbox;
use super::socket::{Connect, Frame, Socket};
use crate::config::ExchangeSettings;
use crate::exchange::mexc::core::Core;
use crate::model::{Push, SessionTime, Symbol};

/// The first login waits so long for the measurement of the clock, in real time.
const MEASURING: Duration = Duration::from_secs(2);

/// What a stream is made of.
pub struct Session {
    pub core: Arc<Core>,
    pub connect: Arc<dyn Connect>,
    pub settings: ExchangeSettings,
    pub health: Arc<StreamHealth>,
    pub symbols: Vec<Symbol>,
    pub sender: mpsc::Sender<Push>,
    pub outbox: Outbox,
}

/// How a connection ended.
pub enum End {
    /// The receiver was dropped.
    NobodyListens,
    /// The exchange refused the login: trying again soon will not help.
    Refused(String),
    /// The exchange refused the login, and our clock was off: trying again at once will help.
    Stale(String),
    /// The connection is gone, or was given up.
    Lost {
        /// Why, for people.
        reason: String,
        /// Whether it had held long enough to begin the back-off anew.
        was_stable: bool,
    },
}

/// The receiver was dropped.
pub struct NobodyListens;

impl Session {
    /// Connects, logs in, subscribes, and hands on what comes until the connection ends.
    pub async fn run(&mut self) -> End {
        let lost = |reason: String| End::Lost { reason, was_stable: false };
        let timeout = self.core.clock.network_timeout(self.core.call_timeout);
        let (core, connect, sender) = (Arc::clone(&self.core), Arc::clone(&self.connect), self.sender.clone());
        let prepared = async {
            core.prove_peer(("connect the stream", "")).await.map_err(|error| error.message)?;
            // A login with a wrong time stamp would be refused; should measuring fail, it shows there.
            if !core.venue_clock.is_known() {
                let _ = tokio::time::timeout(MEASURING, core.correct_clock(core.clock.now())).await;
            }
            connect.connect(timeout).await
        };
        let opened = tokio::select! {
            biased;
            () = sender.closed() => return End::NobodyListens,
            opened = prepared => opened,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(reason) => return lost(self.core.for_people(&reason)),
        };
        let (stamped_at, stamped_with) = (self.core.clock.now(), self.core.venue_clock.offset_us());
        match tokio::time::timeout(timeout, self.log_in(&mut socket)).await {
            Ok(Ok(())) => {}
            Ok(Err(LoginError::Refused(reason))) => {
                let reason = format!("the exchange refused the login of the stream: {}", self.core.for_people(&reason));
                // Whatever its words are, a wrong time stamp is what can be mended here and now.
                self.core.correct_clock(stamped_at).await;
                return if self.core.venue_clock.has_moved_from(stamped_with) {
                    End::Stale(reason)
                } else {
                    End::Refused(reason)
                };
            }
            Ok(Err(LoginError::Lost(reason))) => return lost(self.core.for_people(&reason)),
            Err(_) => return lost("the login of the stream was not answered in time".into()),
        }
        for symbol in &self.symbols {
            let frame = json!({"method": "sub.ticker", "param": {"symbol": symbol.as_str()}});
            if let Err(reason) = socket.send(frame.to_string()).await {
                return lost(self.core.for_people(&reason));
            }
        }
        self.outbox.push(Push::Connected);
        let since = self.core.clock.now();
        match self.listen(&mut socket).await {
            Ok(NobodyListens) => End::NobodyListens,
            Err(reason) => {
                let was_stable = self.core.clock.now().since(since) >= self.settings.reconnect_max;
                End::Lost { reason: self.core.for_people(&reason), was_stable }
            }
        }
    }

    async fn log_in(&mut self, socket: &mut Socket) -> Result<(), LoginError> {
        let time = self.core.venue_now().millis().to_string();
        let signature = self.core.signer.signature(&time, b"");
        let param = json!({"apiKey": self.core.signer.api_key(), "reqTime": time, "signature": signature});
        let frame = json!({"method": "login", "param": param});
        socket.send(frame.to_string()).await.map_err(LoginError::Lost)?;
        let mut reader = Reader::default();
        loop {
            let Frame::Text(text) = socket.next().await.map_err(LoginError::Lost)? else { continue };
            let read = reader.read(&text);
            if read.is_ok() {
                self.skip_odd(&mut reader, &text);
            }
            match read {
                Ok(Heard::LoggedIn) => return Ok(()),
                Ok(Heard::Error(reason)) => return Err(LoginError::Refused(reason)),
                Ok(Heard::Pushes(pushes)) => pushes.into_iter().for_each(|push| self.outbox.push(push)),
                Ok(Heard::Pong | Heard::Nothing) => {}
                Err(error) => self.health.skip(&self.core.for_people(&text), &self.core.for_people(&error.to_string())),
            }
        }
    }

    /// Hands on what comes. Everything here is cheap or cancel safe, so no branch delays another.
    async fn listen(&mut self, socket: &mut Socket) -> Result<NobodyListens, String> {
        let (clock, sender) = (self.core.clock.clone(), self.sender.clone());
        let stall_after = clock.network_timeout(self.settings.stall_after);
        let mut reader = Reader::default();
        let mut ping_at = clock.now().plus(self.settings.ping_interval);
        let mut stalled_at = tokio::time::Instant::now() + stall_after;
        loop {
            let reading = self.outbox.has_room();
            tokio::select! {
                biased;
                permit = sender.reserve(), if !self.outbox.is_empty() => match permit {
                    Ok(permit) => if let Some(push) = self.outbox.pop() { permit.send(push) },
                    Err(_) => return Ok(NobodyListens),
                },
                () = sender.closed(), if self.outbox.is_empty() => return Ok(NobodyListens),
                frame = socket.next(), if reading => {
                    let text = match frame? {
                        Frame::Text(text) => text,
                        Frame::Binary => {
                            self.health.skip("a binary frame", "what is neither text nor packed text came");
                            continue;
                        }
                        Frame::Other => continue,
                    };
                    if self.heard(&mut reader, &text)? {
                        stalled_at = tokio::time::Instant::now() + stall_after;
                    }
                }
                () = clock.sleep_until(ping_at) => {
                    // What is not understood comes in floods; it is told with the pings.
                    self.outbox.extend(self.health.untold());
                    let sent = tokio::time::timeout(stall_after, socket.send("{\"method\":\"ping\"}".into())).await;
                    sent.map_err(|_| "the exchange takes nothing more")??;
                    ping_at = next_ping(ping_at, clock.now(), self.settings.ping_interval);
                }
                // While nothing is read, silence is ours and not the exchange's.
                () = tokio::time::sleep_until(stalled_at), if reading => {
                    return Err(format!("no data for {} s", self.settings.stall_after.as_secs()));
                }
            }
            if !reading {
                stalled_at = tokio::time::Instant::now() + stall_after;
            }
        }
    }

    /// Tells which rows of a frame were passed over.
    fn skip_odd(&self, reader: &mut Reader, text: &str) {
        for why in reader.take_odd() {
            self.health.skip(&self.core.for_people(text), &self.core.for_people(&why));
        }
    }

    /// Takes a frame; says whether it is a sign of life.
    ///
    /// # Errors
    /// When it says that we are not logged in any more.
    fn heard(&mut self, reader: &mut Reader, text: &str) -> Result<bool, String> {
        let read = reader.read(text);
        if read.is_ok() {
            self.skip_odd(reader, text);
        }
        match read {
            Ok(Heard::Pushes(pushes)) => pushes.into_iter().for_each(|push| self.outbox.push(push)),
            Ok(Heard::Pong) => return Ok(self.symbols.is_empty()),
            Ok(Heard::Error(reason)) if ends_login(&reason) => {
                return Err(format!("the exchange ended the login of the stream: {reason}"));
            }
            Ok(Heard::Error(reason)) => {
                self.health.skip(&self.core.for_people(&reason), "the exchange refused a subscription");
            }
            Ok(Heard::LoggedIn | Heard::Nothing) => {}
            Err(error) => self.health.skip(&self.core.for_people(text), &self.core.for_people(&error.to_string())),
        }
        if self.health.is_first() {
            self.outbox.extend(self.health.untold());
        }
        Ok(true)
    }

    /// Waits so much session time, handing on what still waits.
    pub async fn pause(&mut self, wait: Duration) -> Result<(), NobodyListens> {
        let (clock, sender) = (self.core.clock.clone(), self.sender.clone());
        let until = clock.now().plus(wait);
        loop {
            tokio::select! {
                biased;
                permit = sender.reserve(), if !self.outbox.is_empty() => match permit {
                    Ok(permit) => if let Some(push) = self.outbox.pop() { permit.send(push) },
                    Err(_) => return Err(NobodyListens),
                },
                () = sender.closed(), if self.outbox.is_empty() => return Err(NobodyListens),
                () = clock.sleep_until(until) => return Ok(()),
            }
        }
    }
}

enum LoginError {
    Refused(String),
    Lost(String),
}

/// The ping after this one; those that were missed are not made up for.
fn next_ping(last: SessionTime, now: SessionTime, interval: Duration) -> SessionTime {
    last.plus(interval).max(now.plus(interval / 2))
}
