//! Whose an order is, by its client id: the numbers of each start, and what the journal lost.

use serde::{Deserialize, Serialize};

use super::Orders;
use crate::model::{ClientIdParts, ClientOrderId, Incarnation, Order, OrderNo, SessionId};

/// Numbers that were skipped are remembered, so many at most.
const KEPT_UNUSED: u64 = 100_000;

/// Where a client order id comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderOrigin {
    /// An order that is kept here.
    Kept(OrderNo),
    /// An order of ours that was forgotten after its end.
    Forgotten,
    /// It has our session's name, and our journal knows nothing of it.
    Lost(ClientIdParts),
    /// Another session or a person made it.
    Foreign,
}

/// A start, and the first number that its orders could get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    incarnation: Incarnation,
    first: u64,
}

impl Orders {
    /// Where a client order id comes from.
    pub fn origin(&self, session: &SessionId, id: &ClientOrderId) -> OrderOrigin {
        if let Some(no) = self.aliases.get(id) {
            return if self.by_no.contains_key(no) { OrderOrigin::Kept(*no) } else { OrderOrigin::Forgotten };
        }
        let Some(parts) = ClientIdParts::of(session, id) else { return OrderOrigin::Foreign };
        match self.by_no.get(&parts.no) {
            Some(order) if order.client_id == *id => OrderOrigin::Kept(parts.no),
            _ if self.was_used(&parts) => OrderOrigin::Forgotten,
            _ => OrderOrigin::Lost(parts),
        }
    }

    /// The order that carries this client id, if it is kept here.
    pub fn by_client_id(&self, session: &SessionId, id: &ClientOrderId) -> Option<OrderNo> {
        match self.origin(session, id) {
            OrderOrigin::Kept(no) => Some(no),
            _ => None,
        }
    }

    /// The client id of an order: of one that is kept, of one that was forgotten, and of one that is
    /// about to be made.
    pub fn client_id_of(&self, session: &SessionId, no: OrderNo) -> ClientOrderId {
        if let Some(order) = self.by_no.get(&no) {
            return order.client_id.clone();
        }
        let made_by = self.begun.iter().rev().find(|begun| begun.first <= no.0);
        no.client_id(session, made_by.map(|begun| &begun.incarnation))
    }

    /// Whether our journal knows of this start.
    pub fn knows_incarnation(&self, incarnation: &Incarnation) -> bool {
        self.begun.iter().any(|begun| begun.incarnation == *incarnation)
    }

    /// The number that an order of ours gets that our journal lost: its own when that is free.
    pub fn no_for_lost(&self, parts: &ClientIdParts) -> OrderNo {
        let is_of_this_start =
            self.begun.last().is_some_and(|last| Some(&last.incarnation) == parts.incarnation.as_ref());
        if is_of_this_start && (parts.no.0 > self.last_no || self.unused.contains(&parts.no.0)) {
            return parts.no;
        }
        self.next_no()
    }

    pub(in crate::model::state) fn begin_incarnation(&mut self, incarnation: &Incarnation) {
        let first = self.last_no.saturating_add(1);
        self.begun.push(Begun { incarnation: incarnation.clone(), first });
    }

    /// Takes an order back: it may be at the exchange until the exchange's word is applied.
    pub(in crate::model::state) fn recover(&mut self, session: &SessionId, order: &Order) {
        let skipped = self.last_no.saturating_add(1)..order.no.0;
        self.unused.extend(skipped.take(usize::try_from(KEPT_UNUSED).unwrap_or_default()));
        self.unused.remove(&order.no.0);
        self.create(order);
        if !order.is_working() {
            return;
        }
        self.unknown.insert(order.no);
        if let Some(venue_id) = &order.venue_id {
            self.by_venue_id.insert(venue_id.clone(), order.no);
        }
        if ClientIdParts::of(session, &order.client_id).is_none_or(|parts| parts.no != order.no) {
            self.aliases.insert(order.client_id.clone(), order.no);
        }
    }

    /// Whether the number was given to an order of that start.
    fn was_used(&self, parts: &ClientIdParts) -> bool {
        let at = match &parts.incarnation {
            None => None,
            Some(incarnation) => match self.begun.iter().rposition(|begun| begun.incarnation == *incarnation) {
                None => return false,
                at => at,
            },
        };
        let first = at.and_then(|at| self.begun.get(at)).map_or(1, |begun| begun.first);
        let next = self.begun.get(at.map_or(0, |at| at.saturating_add(1)));
        let end = next.map_or(self.last_no.saturating_add(1), |next| next.first);
        (first..end).contains(&parts.no.0) && !self.unused.contains(&parts.no.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_owns_the_numbers_from_its_first_to_the_next() {
        let session = SessionId::new("abcdefgh").unwrap();
        let starts = ["aaaaaa", "bbbbbb"].map(|text| Incarnation::new(text).unwrap());
        // Version 0.1.0 made five orders, the first start of ours three, the second none yet.
        let mut orders = Orders { last_no: 5, ..Orders::default() };
        orders.begin_incarnation(&starts[0]);
        orders.last_no = 8;
        orders.begin_incarnation(&starts[1]);
        let origin =
            |no: u64, start: Option<&Incarnation>| orders.origin(&session, &OrderNo(no).client_id(&session, start));
        let lost = |no: u64, start: Option<&Incarnation>| {
            assert!(matches!(origin(no, start), OrderOrigin::Lost(_)), "{no} {start:?}");
        };
        assert_eq!(origin(5, None), OrderOrigin::Forgotten);
        lost(6, None);
        lost(5, Some(&starts[0]));
        assert_eq!(origin(6, Some(&starts[0])), OrderOrigin::Forgotten);
        assert_eq!(origin(8, Some(&starts[0])), OrderOrigin::Forgotten);
        lost(9, Some(&starts[0]));
        lost(9, Some(&starts[1]));
        lost(7, Some(&Incarnation::new("zzzzzz").unwrap()));
        for (no, start) in [(3, None), (7, Some(&starts[0])), (9, Some(&starts[1]))] {
            assert_eq!(orders.client_id_of(&session, OrderNo(no)), OrderNo(no).client_id(&session, start));
        }
    }
}
