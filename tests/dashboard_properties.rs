//! What holds for every row of keys: no command leaves without the confirmation that its risk asks
//! for, and nothing that anybody types or that happens makes the dashboard fall over.
#![cfg(test)]

#[expect(dead_code, reason = "the stage is used here, the pictures are not")]
#[path = "dashboard/scene.rs"]
mod scene;

use std::time::Duration;

use perpdeck::model::Action;
use perpdeck::tui::confirm::Tier;
use perpdeck::tui::keymap::Press;
use perpdeck::tui::model::Mode;
use perpdeck::tui::testkit::{Fact, Stage};
use perpdeck::tui::update::Msg;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Key(&'static str),
    Word(&'static str),
    Wait(u64),
    Happens(usize),
    Paste,
    Resize(u16, u16),
}

const KEYS: &[&str] = &[
    "X",
    "F",
    "P",
    "p",
    "c",
    "w",
    "C",
    "b",
    "a",
    "A",
    "y",
    "e",
    "enter",
    "esc",
    "1",
    "2",
    "3",
    "4",
    "j",
    "k",
    "space",
    "f",
    "z",
    "q",
    "l",
    "/",
    ":",
    "?",
    "g",
    "G",
    "tab",
    "f2",
    "ctrl-c",
    ".",
    "s",
    "S",
    "backspace",
    "H",
    "r",
    "G",
];
const WORDS: &[&str] = &["halt", "withdraw", "flatten", "resume", "cancel", "1", "2", "3", "entries", "daily-loss"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => prop::sample::select(KEYS).prop_map(Step::Key),
        4 => prop::sample::select(WORDS).prop_map(Step::Word),
        2 => (1_u64..3_000).prop_map(Step::Wait),
        3 => (0_usize..12).prop_map(Step::Happens),
        1 => Just(Step::Paste),
        1 => (1_u16..140, 1_u16..50).prop_map(|(w, h)| Step::Resize(w, h)),
    ];
    prop::collection::vec(step, 1..60)
}

fn facts() -> Vec<Fact> {
    #[derive(serde::Deserialize)]
    struct Facts {
        facts: Vec<Fact>,
    }
    let text = r#"facts = [
        { fact = "fill", order = 1, quantity = "0.01" },
        { fact = "cancelled", order = 2 },
        { fact = "order", symbol = "ETH_USDT", side = "LONG", quantity = "1", price = "2900" },
        { fact = "control", control = "paused", by = "x" },
        { fact = "breaker", class = "entries", state = "open", failures = 5, reason = "503" },
        { fact = "tripped", limit = "daily_loss", reason = "5 %" },
        { fact = "alert", kind = "FEED_LOST", severity = "CRITICAL", message = "no prices" },
        { fact = "closed", position = 1, cause = "liquidated" },
        { fact = "link", up = false },
        { fact = "exit", position = 2, waits = "the next try", refusals = 2 },
        { fact = "unread", reason = "503" },
        { fact = "doubt", position = 1 },
    ]"#;
    toml::from_str::<Facts>(text).unwrap().facts
}

fn begin() -> Stage {
    let scene: scene::Scene = toml::from_str(
        r#"size = [100, 30]
        [[step]]
        facts = [
          { fact = "session", label = "x" },
          { fact = "position", symbol = "BTC_USDT", side = "LONG", quantity = "0.1", entry = "61000", margin = "600", liquidation = "55000" },
          { fact = "position", symbol = "ETH_USDT", side = "SHORT", quantity = "1", entry = "2900", margin = "600", liquidation = "3300" },
          { fact = "order", symbol = "BTC_USDT", side = "LONG", quantity = "0.1", price = "60000" },
          { fact = "order", symbol = "BTC_USDT", side = "LONG", close = true, quantity = "0.1", price = "63000" },
          { fact = "order", symbol = "ETH_USDT", side = "SHORT", quantity = "1", price = "3000" },
        ]"#,
    )
    .unwrap();
    scene.play("property")
}

/// Presses a key and holds what left against what was asked before it.
fn press(stage: &mut Stage, press: Press) -> Result<(), TestCaseError> {
    let before = match &stage.model.mode {
        Mode::Prompt(prompt) => Some((prompt.tier.clone(), prompt.input.value().to_owned(), prompt.subject.clone())),
        _ => None,
    };
    let sent = stage.sent.len();
    stage.press(press);
    for command in stage.sent.iter().skip(sent) {
        match (&command.action, &before) {
            (Action::Acknowledge { alerts }, _) if alerts.len() == 1 => {}
            (action, Some((tier, typed, subject))) => {
                let confirmed = match tier {
                    Tier::Key => press == Press::char('y'),
                    Tier::KeyOrEntries(_) => press == Press::char('y') || press == Press::char('e'),
                    Tier::Word(word) => press.to_string() == "enter" && typed == word,
                };
                prop_assert!(confirmed, "{action:?} left on {press} with {typed:?} typed for {tier:?}");
                let same = *action == subject.action(false) || *action == subject.action(true);
                prop_assert!(same, "{action:?} is not what was asked about: {subject:?}");
            }
            (action, None) => prop_assert!(false, "{action:?} left without a prompt"),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_command_leaves_without_the_confirmation_of_its_tier(steps in steps()) {
        let facts = facts();
        let mut stage = begin();
        for step in steps {
            let sent = stage.sent.len();
            match step {
                Step::Key(name) => press(&mut stage, Press::parse(name).unwrap())?,
                Step::Word(word) => {
                    for c in word.chars() {
                        press(&mut stage, Press::char(c))?;
                    }
                    press(&mut stage, Press::parse("enter").unwrap())?;
                }
                Step::Wait(ms) => {
                    stage.wait(Duration::from_millis(ms));
                    prop_assert_eq!(stage.sent.len(), sent, "time alone sent something");
                }
                Step::Happens(which) => {
                    stage.happen(&facts[which]);
                    prop_assert_eq!(stage.sent.len(), sent, "an event alone sent something");
                }
                Step::Paste => {
                    stage.tell(Msg::Paste);
                    prop_assert_eq!(stage.sent.len(), sent, "a paste sent something");
                }
                Step::Resize(w, h) => stage.tell(Msg::Resize(w, h)),
            }
            stage.draw();
        }
    }

    #[test]
    fn a_burst_sends_nothing(keys in prop::collection::vec(prop::sample::select(KEYS), 9..40)) {
        let mut stage = begin();
        stage.key_gap = Duration::from_millis(1);
        for key in keys {
            stage.press(Press::parse(key).unwrap());
        }
        for command in &stage.sent {
            prop_assert!(matches!(command.action, Action::Acknowledge { .. }), "{:?}", command.action);
        }
    }
}
