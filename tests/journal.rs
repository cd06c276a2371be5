//! The journal on real files: what it keeps, what it cuts, what it refuses.
#![cfg(test)]

#[path = "journal/support.rs"]
mod support;

#[path = "journal/damage.rs"]
mod damage;
#[path = "journal/failing_disk.rs"]
mod failing_disk;
#[path = "journal/history.rs"]
mod history;
#[path = "journal/order.rs"]
mod order;
#[path = "journal/schema.rs"]
mod schema;
