//! Facts of older versions, brought to the present form step by step. The only way from the text of a
//! journal entry to an [`Event`].
//!
//! Every segment of a journal names the schema of its facts. A step leads from one schema to the next
//! and touches the named events only; a fact of the present schema is read as it is, at no cost.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Environment, Event, Identity, escape_controls};

/// The schema of the facts that this program writes. 1 is that of version 0.1.0.
pub const EVENT_SCHEMA: u32 = 2;

/// Names the fold that turns facts into a [`super::SessionState`]: changes with every change of it. A
/// state that was kept under another name is folded anew.
pub const FOLD: &str = env!("FOLD_OF_FACTS");

/// One step: facts of schema `from` become facts of the schema after it.
struct Step {
    from: u32,
    /// The events that it changes, by their names in the older schema.
    events: &'static [&'static str],
    change: fn(&mut Map<String, Value>) -> Result<(), String>,
}

/// All steps, in order. None is ever changed or removed: somebody's journal needs it.
const STEPS: &[Step] = &[Step { from: 1, events: &["session_started"], change: name_the_owner }];

/// 1 to 2: a session says to which environment, exchange and account it belongs. Version 0.1.0 did not
/// keep the account; of the exchange it kept the address, and the label tells whether it was its own.
fn name_the_owner(event: &mut Map<String, Value>) -> Result<(), String> {
    let info = event.get_mut("info").and_then(Value::as_object_mut).ok_or("it has no info")?;
    let environment = info.get("environment").cloned().unwrap_or_default();
    let environment: Environment = serde_json::from_value(environment).map_err(|error| error.to_string())?;
    let text = |name: &str| info.get(name).and_then(Value::as_str).unwrap_or_default();
    let identity = if environment == Environment::Paper && text("label") != "paper, exchange apart" {
        Identity::embedded()
    } else {
        Identity::apart(environment, text("exchange"), None)
    };
    let identity = serde_json::to_value(identity).map_err(|error| error.to_string())?;
    info.insert("identity".to_owned(), identity);
    Ok(())
}

/// The name of an event alone.
#[derive(Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
}

/// Reads a fact that was written under a schema.
///
/// # Errors
/// Why it is none that this program knows; safe to show.
pub fn read_event(schema: u32, text: &str) -> Result<Event, String> {
    let shown = |error: serde_json::Error| escape_controls(&error.to_string()).into_owned();
    if schema == EVENT_SCHEMA {
        return serde_json::from_str(text).map_err(shown);
    }
    if schema > EVENT_SCHEMA {
        return Err(format!("it has schema {schema}, this program knows up to {EVENT_SCHEMA}"));
    }
    let name: Name<'_> = serde_json::from_str(text).map_err(shown)?;
    let mut name = name.event.into_owned();
    let mut changed: Option<Map<String, Value>> = None;
    for step in STEPS.iter().filter(|step| step.from >= schema) {
        if !step.events.contains(&name.as_str()) {
            continue;
        }
        let mut fact = match changed.take() {
            Some(fact) => fact,
            None => serde_json::from_str(text).map_err(shown)?,
        };
        (step.change)(&mut fact).map_err(|what| format!("{name} of schema {}: {what}", step.from))?;
        if let Some(Value::String(new)) = fact.get("event") {
            name.clone_from(new);
        }
        changed = Some(fact);
    }
    match changed {
        None => serde_json::from_str(text).map_err(shown),
        Some(fact) => serde_json::from_value(Value::Object(fact)).map_err(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(label: &str, environment: &str) -> String {
        format!(
            "{{\"event\":\"session_started\",\"info\":{{\"id\":\"fmv32yia\",\"environment\":\"{environment}\",\
             \"exchange\":\"http://127.0.0.1:41425\",\"label\":\"{label}\",\"started_at\":5,\"starts\":1}}}}"
        )
    }

    fn identity(event: Event) -> Option<Identity> {
        match event {
            Event::SessionStarted { info } => info.identity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_schema_has_one_step_to_the_next() {
        let from: Vec<u32> = STEPS.iter().map(|step| step.from).collect();
        assert_eq!(from, (1..EVENT_SCHEMA).collect::<Vec<_>>());
    }

    #[test]
    fn a_start_of_schema_1_gets_the_owner_that_it_did_not_name() {
        let embedded = identity(read_event(1, &started("scenario volatile", "paper")).unwrap());
        assert_eq!(embedded, Some(Identity::embedded()));
        let apart = identity(read_event(1, &started("paper, exchange apart", "paper")).unwrap()).unwrap();
        assert_eq!(apart.to_string(), "paper, exchange 127.0.0.1");
        let live = identity(read_event(1, &started("live account", "live")).unwrap()).unwrap();
        assert_eq!(live.to_string(), "live, exchange 127.0.0.1:41425");
        // As it stands it is a fact of today that names none.
        assert_eq!(identity(read_event(2, &started("live account", "live")).unwrap()), None);
    }

    #[test]
    fn what_is_newer_or_no_fact_is_named() {
        assert_eq!(read_event(3, "{}").unwrap_err(), "it has schema 3, this program knows up to 2");
        for schema in [1, 2] {
            let error = read_event(schema, r#"{"event":"from_the_future"}"#).unwrap_err();
            assert!(error.contains("from_the_future"), "{error}");
            assert!(read_event(schema, "{}").unwrap_err().contains("event"));
        }
    }
}
