//! Frames of the exchange in our words.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::mexc::wire::{
    Int, RawAsset, RawFill, RawOrder, RawPosition, RawTicker, Text, WireError, items, mode_of,
};
use crate::model::{PositionKey, Push};

/// What a frame means to the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Facts or prices, to be handed on.
    Pushes(Vec<Push>),
    /// The login was taken.
    LoggedIn,
    /// The exchange refused something we sent.
    Error(String),
    /// An answer to a ping.
    Pong,
    /// Nothing for us: acknowledgements and channels that we do not use.
    Nothing,
}

#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    // Sometimes a number, sometimes a string; what is neither spoils no frame.
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
}

/// Reads frames. It remembers which position id is which leg, because some notices name only the
/// id; the exchange's positions are few.
#[derive(Debug, Default)]
pub struct Reader {
    legs: BTreeMap<String, PositionKey>,
    odd: Vec<String>,
}

/// Legs that are remembered.
const MOST_LEGS: usize = 1_000;

impl Reader {
    /// Reads one frame.
    ///
    /// # Errors
    /// When it is not what the protocol describes.
    pub fn read(&mut self, text: &str) -> Result<Heard, WireError> {
        let frame: RawFrame = serde_json::from_str(text)?;
        let sent = frame.ts.and_then(|ts| serde_json::from_str::<Int>(ts.get()).ok()).map(|Int(millis)| millis);
        let mut odd = Vec::new();
        let mut each = |data, one: &mut dyn FnMut(&str) -> Result<Option<Push>, WireError>| each(data, one, &mut odd);
        let pushes = match &*frame.channel {
            "pong" => return Ok(Heard::Pong),
            "rs.login" if is_success(frame.data) => return Ok(Heard::LoggedIn),
            "rs.login" | "rs.error" => return Ok(Heard::Error(plain_text(frame.data))),
            "push.ticker" => each(frame.data, &mut |raw| {
                serde_json::from_str::<RawTicker>(raw)?.quote(sent).map(|quote| Some(Push::Quote(quote)))
            })?,
            "push.personal.order" => each(frame.data, &mut |raw| {
                serde_json::from_str::<RawOrder>(raw)?.report().map(|order| Some(Push::Order(order)))
            })?,
            "push.personal.order.deal" => each(frame.data, &mut |raw| {
                serde_json::from_str::<RawFill>(raw)?.report().map(|fill| Some(Push::Fill(fill)))
            })?,
            "push.personal.position" => each(frame.data, &mut |raw| {
                let report = serde_json::from_str::<RawPosition>(raw)?.report()?;
                if self.legs.len() < MOST_LEGS {
                    self.legs.insert(report.venue_id.as_str().to_owned(), report.key.clone());
                }
                Ok(Some(Push::Position(report)))
            })?,
            "push.personal.asset" => {
                each(frame.data, &mut |raw| Ok(serde_json::from_str::<RawAsset>(raw)?.report().map(Push::Account)))?
            }
            "push.personal.position.mode" => each(frame.data, &mut |raw| mode(raw).map(Some))?,
            "push.personal.generic.notify" => each(frame.data, &mut notice)?,
            "push.personal.liquidate.risk" => each(frame.data, &mut |raw| self.risk(raw))?,
            _ => return Ok(Heard::Nothing),
        };
        self.odd = odd;
        Ok(Heard::Pushes(pushes))
    }

    /// What was wrong with the rows of the last frame that could not be understood; the others were.
    pub fn take_odd(&mut self) -> Vec<String> {
        std::mem::take(&mut self.odd)
    }

    fn risk(&self, raw: &str) -> Result<Option<Push>, WireError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Risk<'a> {
            #[serde(borrow)]
            position_id: Text<'a>,
        }
        let risk: Risk = serde_json::from_str(raw)?;
        let key = self.legs.get(&*risk.position_id.0).cloned();
        Ok(Some(Push::LiquidationNotice { key, liquidated: false }))
    }
}

fn mode(raw: &str) -> Result<Push, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        position_mode: Int,
    }
    mode_of(serde_json::from_str::<Told>(raw)?.position_mode).map(Push::Mode)
}

/// `type` 1 is about liquidations: `notifyType` 2 warns, 1 says that it has happened. It names the
/// contract only by a display name.
fn notice(raw: &str) -> Result<Option<Push>, WireError> {
    #[derive(Deserialize)]
    struct Notice {
        r#type: Int,
        param: Option<Param>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Param {
        notify_type: Option<Int>,
    }
    let notice: Notice = serde_json::from_str(raw)?;
    let kind = notice.param.and_then(|param| param.notify_type).map(|Int(kind)| kind);
    Ok(match (notice.r#type.0, kind) {
        (1, Some(kind @ (1 | 2))) => Some(Push::LiquidationNotice { key: None, liquidated: kind == 1 }),
        _ => None,
    })
}

/// Each row on its own: one that cannot be understood spoils no other. A frame of which none can be is
/// an error.
fn each(
    data: Option<&RawValue>,
    one: &mut dyn FnMut(&str) -> Result<Option<Push>, WireError>,
    odd: &mut Vec<String>,
) -> Result<Vec<Push>, WireError> {
    let data = data.ok_or_else(|| WireError::Senseless("a push without data".into()))?;
    let (mut pushes, mut last, mut understood) = (Vec::new(), None, false);
    for item in items(data)? {
        match one(item.get()) {
            Ok(push) => {
                understood = true;
                pushes.extend(push);
            }
            Err(error) => {
                odd.push(error.to_string());
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if !understood => Err(error),
        _ => Ok(pushes),
    }
}

/// A login is taken only when its answer says so: `"success"`, or an object with code 0.
fn is_success(data: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        code: Int,
    }
    data.is_some_and(|data| {
        data.get() == "\"success\"" || serde_json::from_str::<Answer>(data.get()).is_ok_and(|answer| answer.code.0 == 0)
    })
}

/// Whether an error of the stream in the middle of a connection says that we are not logged in any more.
pub fn ends_login(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["login", "log in", "logged", "expired", "auth", "signature", "api key", "apikey"]
        .iter()
        .any(|word| reason.contains(word))
}

fn plain_text(data: Option<&RawValue>) -> String {
    let raw = data.map_or("no reason given", RawValue::get);
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Side, Symbol};

    fn pushes(reader: &mut Reader, text: &str) -> Vec<Push> {
        match reader.read(text) {
            Ok(Heard::Pushes(pushes)) => pushes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn acknowledgements_and_pongs_with_a_time_as_number_or_text() {
        let mut reader = Reader::default();
        let heard = |reader: &mut Reader, text: &str| reader.read(text).unwrap();
        assert_eq!(
            heard(&mut reader, r#"{"channel":"rs.login","data":"success","ts":"1795401565601"}"#),
            Heard::LoggedIn
        );
        for pong in [
            r#"{"channel":"pong","data":1795401565601}"#,
            r#"{"channel":"pong","data":"1795401565601","ts":""}"#,
            r#"{"channel":"pong","data":"pong","ts":null}"#,
        ] {
            assert_eq!(heard(&mut reader, pong), Heard::Pong, "{pong}");
        }
        assert_eq!(heard(&mut reader, r#"{"channel":"rs.sub.ticker","data":"success","ts":1}"#), Heard::Nothing);
        assert_eq!(
            heard(&mut reader, r#"{"channel":"push.personal.plan.order","data":{"id":"1"},"ts":1}"#),
            Heard::Nothing
        );
        assert_eq!(
            heard(&mut reader, r#"{"channel":"rs.error","data":"signature error","ts":1}"#),
            Heard::Error("signature error".into())
        );
    }

    #[test]
    fn a_login_is_taken_only_when_its_answer_says_so() {
        let mut reader = Reader::default();
        for (data, taken) in [
            (r#""success""#, true),
            (r#"{"code":0}"#, true),
            (r#"{"code":"0","msg":"ok"}"#, true),
            (r#"{"code":401,"msg":"Not logged in"}"#, false),
            (r#""Signature verification failed""#, false),
            (r#""failed""#, false),
            ("null", false),
            ("0", false),
            ("{}", false),
        ] {
            let heard = reader.read(&format!(r#"{{"channel":"rs.login","data":{data},"ts":1}}"#)).unwrap();
            assert_eq!(heard == Heard::LoggedIn, taken, "{data}");
            assert_eq!(matches!(heard, Heard::Error(_)), !taken, "{data}");
        }
        assert_eq!(reader.read(r#"{"channel":"rs.login"}"#).unwrap(), Heard::Error("no reason given".into()));
    }

    #[test]
    fn one_odd_row_of_a_push_spoils_no_other() {
        let deal = r#"{"id":"13914408525","symbol":"BTC_USDT","side":1,"vol":20,"price":64250.5,"orderId":"8","timestamp":1795401565600}"#;
        let odd = deal.replace("BTC_USDT", "币安人生_USDT");
        let mut reader = Reader::default();
        let frame = format!(r#"{{"channel":"push.personal.order.deal","data":[{odd},{deal},7],"ts":"x"}}"#);
        assert_eq!(pushes(&mut reader, &frame).len(), 1);
        assert_eq!(reader.take_odd().len(), 2);
        assert_eq!(reader.take_odd().len(), 0);
    }

    #[test]
    fn deals_come_as_an_object_or_as_a_list() {
        let deal = r#"{"id":"13914408525","symbol":"BTC_USDT","side":1,"vol":20,"price":64250.5,"fee":0.0771,"feeCurrency":"USDT","taker":true,"category":1,"orderId":"814218083416790528","externalOid":"eng-1","timestamp":1795401565600}"#;
        let mut reader = Reader::default();
        let one = pushes(&mut reader, &format!(r#"{{"channel":"push.personal.order.deal","data":{deal},"ts":1}}"#));
        let two =
            pushes(&mut reader, &format!(r#"{{"channel":"push.personal.order.deal","data":[{deal},{deal}],"ts":1}}"#));
        assert_eq!(one.len(), 1);
        assert_eq!(two, [one[0].clone(), one[0].clone()]);
    }

    #[test]
    fn a_risk_notice_names_the_leg_once_its_position_was_pushed() {
        let risk = r#"{"channel":"push.personal.liquidate.risk","data":{"symbol":"BTC_USDT","positionId":7,"liquidatePrice":58105.7,"marginRatio":0.9,"adlLevel":1},"ts":1}"#;
        let mut reader = Reader::default();
        assert_eq!(pushes(&mut reader, risk), [Push::LiquidationNotice { key: None, liquidated: false }]);
        pushes(
            &mut reader,
            r#"{"channel":"push.personal.position","data":{"positionId":7,"symbol":"BTC_USDT","positionType":2,"openType":1,"state":1,"holdVol":3},"ts":1}"#,
        );
        let key = PositionKey { symbol: Symbol::new("BTC_USDT").unwrap(), side: Side::Short };
        assert_eq!(pushes(&mut reader, risk), [Push::LiquidationNotice { key: Some(key), liquidated: false }]);
    }

    #[test]
    fn a_position_mode_that_is_switched_is_told_and_one_that_is_none_is_odd() {
        let mut reader = Reader::default();
        let told = |mode: &str| {
            format!(r#"{{"channel":"push.personal.position.mode","data":{{"positionMode":{mode}}},"ts":1}}"#)
        };
        assert_eq!(pushes(&mut reader, &told("1")), [Push::Mode(crate::model::PositionMode::Hedge)]);
        assert_eq!(pushes(&mut reader, &told("2")), [Push::Mode(crate::model::PositionMode::OneWay)]);
        assert!(reader.read(&told("3")).is_err());
    }

    #[test]
    fn a_general_notice_is_about_liquidations_or_nothing() {
        let mut reader = Reader::default();
        let mut notice = |kind: u8, notify: u8| {
            pushes(
                &mut reader,
                &format!(
                    r#"{{"channel":"push.personal.generic.notify","data":{{"type":{kind},"param":{{"notifyType":{notify},"dn":"BTC_USDT"}}}},"ts":1}}"#
                ),
            )
        };
        assert_eq!(notice(1, 1), [Push::LiquidationNotice { key: None, liquidated: true }]);
        assert_eq!(notice(1, 2), [Push::LiquidationNotice { key: None, liquidated: false }]);
        assert_eq!(notice(2, 1), []);
        assert_eq!(notice(1, 9), []);
    }

    #[test]
    fn what_is_malformed_is_an_error_and_never_a_panic() {
        let mut reader = Reader::default();
        for text in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"channel":5}"#,
            r#"{"channel":"push.ticker"}"#,
            r#"{"channel":"push.ticker","data":null}"#,
            r#"{"channel":"push.ticker","data":[1]}"#,
            r#"{"channel":"push.personal.order","data":{"orderId":"1"}}"#,
            r#"{"channel":"push.personal.asset","data":"x"}"#,
            r#"{"channel":"push.personal.position","data":[{"positionId":1}"#,
        ] {
            assert!(reader.read(text).is_err(), "{text}");
        }
    }
}
