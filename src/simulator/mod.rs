//! An exchange that speaks MEXC's futures protocol: REST and WebSocket over a seeded market.
//!
//! ```text
//! Settings ──► Server::start(&settings, address, clock)   on a TCP socket: rest_url(), ws_url()
//!         └──► InMemory::open(&settings, clock)           no sockets: router(), call(), connect()
//! ```
//!
//! * [`Scenario`]: how the markets behave and which faults come when; built in or from TOML.
//! * [`Candles`], [`CandleMarket`]: recorded prices instead of invented ones.
//! * `POST /sim/faults` with a [`FaultSpec`], `GET`, `DELETE`: the switches. Calls that are turned
//!   away with any code or page, carried out or not; lists that lag, lack rows, come back empty or
//!   cannot be read; pushes that are lost, late, twice; fills that are told nowhere (`fills_lost`);
//!   cancels of a batch that fail one by one (`cancel_item`); a clock that is wrong; and what a person
//!   or the exchange itself does to the account.
//! * `GET /sim/ledger`: the true books. `GET /sim/requests?window_ms=1000`: what was asked, counted by
//!   endpoint, class, contract and side. `POST /sim/limits {"on":false}`: no rate limits.
//! * `GET /sim/identity?challenge=<hex>`: the proof that this is a simulator, for a paper session.
//! * The exchange has a clock of its own ([`ClockError`]): what it says is stamped by it, what it does
//!   goes by the session's pace.
//! * With [`Settings::data_dir`] the books survive a kill: every change is durable before it is
//!   answered or pushed, and the market goes on where the record ends. A record says whose rules it
//!   was written under and is folded by them; the present rules hold from the new start on.
//! * [`session_start`]: where the session's clock has to start (the first candle, or the end of the
//!   record).
//!
//! The heart (`venue`, `market`, `margin`) is pure: commands at given times and a seed in, answers
//! and pushes out.

mod books;
mod candles;
mod clock;
mod error;
mod faults;
mod http;
mod instrument;
mod json;
mod limits;
mod margin;
mod market;
mod refusal;
mod requests;
mod resume;
mod scenario;
mod server;
mod settings;
mod shared;
mod signing;
mod venue;
mod ws;

pub use candles::{Candle, CandleError, Candles, GapRule, RowProblem};
pub use clock::ClockError;
pub use error::SimulatorError;
pub use faults::{FaultKind, FaultSpec, Leg, List, Odd, Target};
pub use http::NoAnswer;
pub use resume::session_start;
pub use scenario::{Jump, MarketSettings, Scenario, ScenarioError, ScheduledFault};
pub use server::{InMemory, Server};
pub use settings::{CandleMarket, Settings};
pub use signing::Credentials;
pub use venue::DuplicateMode;
pub use ws::SocketPair;
