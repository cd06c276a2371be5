//! The WebSocket at `/edge`: one session per connection, all fed from one hub.

mod frames;
mod hub;
mod socket;

pub use hub::Hub;
pub use socket::{SocketPair, attach, upgrade};
