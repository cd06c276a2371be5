//! The rules of the house, read from the source itself.

#![cfg(test)]

#[path = "house/floors.rs"]
mod floors;
#[path = "house/licences.rs"]
mod licences;
#[path = "house/manners.rs"]
mod manners;
#[path = "house/settings.rs"]
mod settings;
#[path = "house/source.rs"]
mod source;
