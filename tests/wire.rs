//! The MEXC adapter on the wire: against a small stub that says exactly what a test wants, and
//! against the simulator.

#![cfg(test)]

#[path = "wire/agreement.rs"]
mod agreement;
#[path = "wire/answers.rs"]
mod answers;
#[path = "wire/connections.rs"]
mod connections;
#[path = "common/exchange_clock.rs"]
mod exchange_clock;
#[path = "wire/lists.rs"]
mod lists;
#[path = "wire/pacing.rs"]
mod pacing;
#[path = "wire/peer.rs"]
mod peer;
#[path = "wire/requests.rs"]
mod requests;
#[path = "wire/secrets.rs"]
mod secrets;
#[path = "wire/simulated.rs"]
mod simulated;
#[path = "wire/stub.rs"]
mod stub;
