//! Where files lie when nobody says otherwise.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

/// The settings file that is read when it exists: `~/.config/perpdeck/config.toml`.
pub fn default_file() -> Option<PathBuf> {
    choose_base_strategy().ok().map(|places| places.config_dir().join("perpdeck").join("config.toml"))
}

/// The data folder: `~/.local/share/perpdeck`.
pub fn default_data_dir() -> Option<PathBuf> {
    choose_base_strategy().ok().map(|places| places.data_dir().join("perpdeck"))
}
