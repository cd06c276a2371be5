//! The MEXC adapter.
