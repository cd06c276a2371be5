//! The configuration: its files, layers, errors, keys, and the proof that a session is live.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use perpdeck::config::{
    ConfigError, Credentials, DEFAULT_FILE, Loaded, Mode, Origin, Pace, Settings, Sources, keys, live_permit, load,
    variable_of,
};
use perpdeck::model::Decimal;
use tempfile::tempdir;

fn from_text(name: &str, text: &str) -> Result<Loaded, ConfigError> {
    load(&Sources { file: Some((PathBuf::from(name), text.to_string())), ..Sources::default() })
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let environment = variables.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    load(&Sources { environment, ..Sources::default() })
}

fn corpus(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    files
}

#[test]
fn the_default_file_says_what_the_code_says_key_for_key() {
    let loaded = from_text("default.toml", DEFAULT_FILE).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    for key in keys() {
        assert!(matches!(loaded.origin(key), Origin::File { .. }), "{key} is missing in config/default.toml");
    }
    // The table of settings has all fields of the code.
    let tree = serde_json::to_value(Settings::default()).unwrap();
    let fields: BTreeSet<String> = tree
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(section, fields)| fields.as_object().unwrap().keys().map(move |name| format!("{section}.{name}")))
        .collect();
    assert_eq!(fields, keys().map(String::from).collect());
}

#[test]
fn every_default_has_a_comment_above_it() {
    let mut above = "";
    for line in DEFAULT_FILE.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(above.starts_with("# "), "{line}");
        }
        above = line;
    }
}

#[test]
fn valid_files_are_read() {
    let files = corpus("valid");
    assert!(files.len() >= 9);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        if let Err(error) = from_text(&path.display().to_string(), &text) {
            panic!("{error}");
        }
    }
    let example = include_str!("../config/live.example.toml");
    let settings = from_text("live.example.toml", example).unwrap().settings;
    assert_eq!(settings.session.mode, Mode::Live);
    assert!(settings.risk.require_stop);
}

#[test]
fn numbers_are_exact() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid/exact_numbers.toml"));
    let settings = from_text("x.toml", &text.unwrap()).unwrap().settings;
    assert_eq!(settings.risk.max_position_pct.to_string(), "12.345678901234567890123");
    assert_eq!(settings.risk.paper_capital.get(), Decimal::from(1_000_000));
}

#[test]
fn invalid_files_get_the_error_that_stands_beside_them() {
    let files = corpus("invalid");
    assert!(files.len() >= 30);
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let found = from_text(name, &text).err().map_or("(accepted)".into(), |error| error.to_string());
        if found != expected.trim_end() {
            wrong.push(format!("{name}\n  expected {expected}  found    {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join(""));
}

#[test]
fn the_later_layer_wins_and_is_named() {
    let mut sources = Sources {
        file: Some(("mine.toml".into(), "[simulator]\nseed = 1\nscenario = \"crash\"\nspeed = 2\n".into())),
        environment: vec![
            ("PERPDECK_SIMULATOR_SEED".into(), "2".into()),
            ("PERPDECK_SIMULATOR_SPEED".into(), "max".into()),
            ("PERPDECK_RISK_DAILY_LOSS_PCT".into(), "2.5".into()),
            ("PERPDECK_LIQUIDATION_DISTANCE_TIERS_PCT".into(), "9, 6, 3".into()),
            ("PERPDECK_JOURNAL_SYNC".into(), "false".into()),
            ("HOME".into(), "/root".into()),
        ],
        ..Sources::default()
    };
    sources.set("--seed", "simulator.seed", "3");
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.settings.simulator.seed, 3);
    assert_eq!(loaded.settings.simulator.speed, Pace::Max);
    assert_eq!(loaded.settings.simulator.scenario, "crash");
    assert_eq!(loaded.settings.risk.daily_loss_pct, Decimal::new(25, 1));
    assert_eq!(loaded.settings.liquidation.distance_tiers_pct, [9, 6, 3].map(Decimal::from));
    assert!(!loaded.settings.journal.sync);
    let text = loaded.show(true);
    for line in [
        "seed = 3                                     # command line, --seed",
        "scenario = \"crash\"                           # mine.toml, line 3",
        "speed = \"max\"                                # environment variable PERPDECK_SIMULATOR_SPEED",
        "max_positions = 3                            # default",
        "distance_tiers_pct = [9, 6, 3]               # environment variable PERPDECK_LIQUIDATION_DISTANCE_TIERS_PCT",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_is_shown_reads_back() {
    let loaded = from_text("x.toml", "[simulator]\nspeed = 2.5\n[risk]\ndaily_loss_pct = 0.75\n").unwrap();
    for origin in [false, true] {
        assert_eq!(from_text("shown.toml", &loaded.show(origin)).unwrap().settings, loaded.settings);
    }
}

#[test]
fn environment_and_command_line_have_the_same_errors() {
    let error = from_environment(&[("PERPDECK_RISK_MAX_POSITION_PTC", "5")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "environment variable PERPDECK_RISK_MAX_POSITION_PTC: there is no setting PERPDECK_RISK_MAX_POSITION_PTC; did \
         you mean PERPDECK_RISK_MAX_POSITION_PCT?"
    );
    let error = from_environment(&[("PERPDECK_ORDERS_TIME_OUT", "60")]).unwrap_err().to_string();
    assert!(error.starts_with("environment variable PERPDECK_ORDERS_TIME_OUT: orders.time_out = 60 is not"), "{error}");
    let mut sources = Sources::default();
    sources.set("--speed", "simulator.speed", "0");
    let error = load(&sources).unwrap_err().to_string();
    assert!(error.starts_with("command line, --speed: simulator.speed = 0 is not allowed"), "{error}");
    assert!(from_environment(&[("PERPDECK_API_KEY", "x"), ("PERPDECK_TEST_ANYTHING", "y")]).is_ok());
    let variables: BTreeSet<String> = keys().map(variable_of).collect();
    assert_eq!(variables.len(), keys().count(), "two settings have one variable");
}

#[test]
fn paths_in_a_file_are_meant_from_where_it_lies() {
    let settings = from_text("/etc/perpdeck/x.toml", "session.data_dir = \"data\"\nsimulator.candles = \"/c.csv\"\n");
    let settings = settings.unwrap().settings;
    assert_eq!(settings.session.data_dir, Some("/etc/perpdeck/data".into()));
    assert_eq!(settings.simulator.candles, Some("/c.csv".into()));
}

#[test]
fn keys_come_whole_from_the_environment_or_a_private_file() {
    let none = |_: &str| None;
    assert!(Credentials::find(none, None).unwrap().is_none());
    let half = |name: &str| (name == "PERPDECK_API_KEY").then(|| "mx0k".to_string());
    let error = Credentials::find(half, None).unwrap_err().to_string();
    assert_eq!(error, "PERPDECK_API_KEY is set, but PERPDECK_API_SECRET is not; set both or none");
    let both = |name: &str| Some(format!("{}-value", &name[9..]));
    let found = Credentials::find(both, None).unwrap().unwrap();
    assert!(!format!("{found:?}").contains("value"), "keys are never printed");
    let newline = |_: &str| Some("secret\n".to_string());
    let error = Credentials::find(newline, None).unwrap_err().to_string();
    assert!(error.starts_with("PERPDECK_API_KEY has a character") && !error.contains("secret\n"), "{error}");

    let dir = tempdir().unwrap();
    let path = dir.path().join("keys.toml");
    fs::write(&path, "api_key = \"mx0k\"\napi_secret = \"s3cret\"\n").unwrap();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Credentials::find(none, Some(&path)).unwrap_err().to_string();
        let path = path.display();
        assert_eq!(error, format!("{path} can be read by other users (mode {mode:04o}); run: chmod 600 '{path}'"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Credentials::find(none, Some(&path)).unwrap().is_some());
    for bad in ["api_key = \"mx0k\"\n", "api_key = s3cret\n", "api_key = \"\"\napi_secret = \"s3cret\"\n"] {
        fs::write(&path, bad).unwrap();
        let error = Credentials::find(none, Some(&path)).unwrap_err().to_string();
        assert!(error.contains("must have two lines") && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_permit_needs_mode_keys_and_flag_and_names_what_is_missing() {
    let mut live = Settings::default();
    live.session.mode = Mode::Live;
    let credentials = || Some(Credentials::new("k", "s"));
    for (settings, keys, flag, missing) in [
        (Settings::default(), None, false, 3),
        (Settings::default(), credentials(), true, 1),
        (live.clone(), None, true, 1),
        (live.clone(), credentials(), false, 1),
    ] {
        let error = live_permit(&settings, keys, flag).unwrap_err();
        assert_eq!(error.missing.len(), missing, "{error}");
    }
    assert!(live_permit(&live, credentials(), true).is_ok());
}
