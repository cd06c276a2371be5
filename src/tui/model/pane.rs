//! The panes.

/// A pane, by the number that focuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pane {
    /// 1.
    Positions,
    /// 2.
    Orders,
    /// 3, with the risk limits below.
    Breakers,
    /// 4.
    Alerts,
    /// 5: of the selected position or order.
    Detail,
    /// 6: commands and what became of them.
    Audit,
    /// 7: orders, positions, signals and alerts of the past; over all others.
    History,
}

impl Pane {
    /// All panes, by number.
    pub const ALL: [Self; 7] =
        [Self::Positions, Self::Orders, Self::Breakers, Self::Alerts, Self::Detail, Self::Audit, Self::History];

    /// The key that focuses it.
    pub const fn number(self) -> char {
        match self {
            Self::Positions => '1',
            Self::Orders => '2',
            Self::Breakers => '3',
            Self::Alerts => '4',
            Self::Detail => '5',
            Self::Audit => '6',
            Self::History => '7',
        }
    }

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Positions => "Positions",
            Self::Orders => "Orders",
            Self::Breakers => "Breakers",
            Self::Alerts => "Alerts",
            Self::Detail => "Detail",
            Self::Audit => "Audit",
            Self::History => "History",
        }
    }

    /// Its name in the key map.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Positions => "positions",
            Self::Orders => "orders",
            Self::Breakers => "breakers",
            Self::Alerts => "alerts",
            Self::Detail => "detail",
            Self::Audit => "audit",
            Self::History => "history",
        }
    }

    /// The pane so many steps further, around the end.
    #[must_use]
    pub fn step(self, forward: bool) -> Self {
        let place = Self::ALL.iter().position(|pane| *pane == self).unwrap_or_default();
        let step = if forward { 1 } else { Self::ALL.len().saturating_sub(1) };
        let next = place.saturating_add(step).checked_rem(Self::ALL.len()).unwrap_or_default();
        Self::ALL.get(next).copied().unwrap_or(self)
    }
}
