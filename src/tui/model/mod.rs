//! What the dashboard knows: the session's state as a fold of events, and what the operator is
//! doing with the screen. Selections, marks and prompts hold ids, never places.

mod banner;
mod disk;
mod flight;
mod history;
mod known;
mod mode;
mod notice;
mod pane;
mod past;
mod rows;
mod table;

use std::sync::Arc;
use std::time::Duration;

pub use banner::{Banner, BannerItem, LocalAlert};
pub use disk::Disk;
pub use flight::{Flight, Flights, LATE, LOST, SPIN};
pub use history::{History, SAMPLE_EVERY, SAMPLES};
pub use known::Known;
pub use mode::{Help, Mode, Palette};
pub use notice::Notice;
pub use pane::Pane;
pub use past::{Landing, PAST_PAGE, Past};
pub use rows::{ENDED_SHOWN, position_at};
pub use table::{Column, RowId, Sort, Table};

use super::keymap::Keymap;
use super::view::layout;
use crate::config::{DashboardSettings, RiskSettings};
use crate::model::{Decimal, OrderNo, Position, Record, SessionState, SessionTime, SinkStatus};

/// The two times that matter: real time since the dashboard began (for people's fingers) and the
/// session's time (for ages).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Real time since the dashboard began.
    pub real: Duration,
    /// The session's time.
    pub session: SessionTime,
}

/// The limits that bars are drawn against; those of the session's risk manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Loss of the day at which entries stop, percent.
    pub daily_loss_pct: Decimal,
    /// Fall from the peak at which entries stop, percent.
    pub drawdown_pct: Decimal,
    /// Positions at a time.
    pub max_positions: usize,
}

impl From<&RiskSettings> for Limits {
    fn from(risk: &RiskSettings) -> Self {
        Self {
            daily_loss_pct: risk.daily_loss_pct,
            drawdown_pct: risk.max_drawdown_pct,
            max_positions: risk.max_positions,
        }
    }
}

/// What a dashboard is set up with.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Settings of the dashboard.
    pub dashboard: DashboardSettings,
    /// The session's limits, where they are known.
    pub limits: Option<Limits>,
    /// Positions that the exchange has not told of for so long are not known: two intervals of the sync.
    pub positions_limit: Duration,
    /// The same of orders: two intervals of their poll.
    pub orders_limit: Duration,
    /// A price that is older is no ground for an entry, nor for a figure. Half of it where no price arrives.
    pub prices_limit: Duration,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// Who sits in front of it.
    pub operator: String,
    /// Prefix of command ids: unique for each run of a dashboard.
    pub prefix: String,
    /// Whether commands are refused.
    pub read_only: bool,
    /// Whether the session lives in this process, and ends with it.
    pub same_process: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            dashboard: DashboardSettings::default(),
            limits: None,
            positions_limit: Duration::from_secs(20),
            orders_limit: Duration::from_secs(20),
            prices_limit: Duration::from_secs(10),
            breaker_failures: 5,
            operator: "operator".to_owned(),
            prefix: "ui".to_owned(),
            read_only: false,
            same_process: true,
        }
    }
}

/// A display that stands still while the session goes on.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// Since when.
    pub since: Duration,
    /// What it shows.
    pub state: Box<SessionState>,
}

/// The dashboard's model.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the screen that have nothing to do with one another")]
pub struct Model {
    /// The session, folded from its events.
    pub state: Box<SessionState>,
    /// The times of the last message.
    pub now: Now,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What it was set up with.
    pub setup: Setup,
    /// The keys.
    pub keymap: Arc<Keymap>,
    /// The pane that has the keyboard.
    pub focus: Pane,
    /// The table whose selection the detail pane shows.
    pub detail_of: Pane,
    /// Whether that pane fills the screen.
    pub zoom: bool,
    /// The pane that lies over the alerts where there is no room for all: detail or audit.
    pub overlay: Option<Pane>,
    /// The tables behind the panes.
    pub tables: [Table; 7],
    /// What keys mean now.
    pub mode: Mode,
    /// The banner.
    pub banner: Banner,
    /// Commands that were sent and have not ended.
    pub flights: Flights,
    /// Which ends of commands are on disk.
    pub disk: Disk,
    /// Margin ratios of the last minutes.
    pub history: History,
    /// The history pane.
    pub past: Past,
    /// A message in the footer.
    pub notice: Option<Notice>,
    /// A display that stands still.
    pub frozen: Option<Frozen>,
    /// How far the copy in QuestDB is, when there is one.
    pub sink: Option<SinkStatus>,
    /// When an update of the session last came.
    pub updated: Duration,
    /// Whether the session has ended, or cannot be reached.
    pub ended: bool,
    /// When the keyboard last came to this window, or the window changed.
    pub settled: Duration,
    /// When the last key came.
    pub key_at: Duration,
    /// Whether anything changed since the last frame.
    pub dirty: bool,
    /// Keys of the last moment, for the burst detector and chords.
    pub fingers: super::update::Fingers,
    /// What has been said outside the screen.
    pub outward: super::update::Outward,
    /// A halt that the session has not got yet.
    pub undelivered: Option<super::update::Undelivered>,
    stale_rows: bool,
}

impl Model {
    /// A dashboard on a session.
    pub fn new(state: Box<SessionState>, setup: Setup, keymap: Arc<Keymap>, size: (u16, u16), now: Now) -> Self {
        let mut model = Self {
            state,
            now,
            size,
            setup,
            keymap,
            focus: Pane::Positions,
            detail_of: Pane::Positions,
            zoom: false,
            overlay: None,
            tables: Pane::ALL.map(Table::of),
            mode: Mode::Normal,
            banner: Banner::default(),
            flights: Flights::default(),
            disk: Disk::default(),
            history: History::default(),
            past: Past::default(),
            notice: None,
            frozen: None,
            sink: None,
            updated: now.real,
            ended: false,
            settled: now.real,
            key_at: now.real,
            dirty: true,
            fingers: super::update::Fingers::default(),
            outward: super::update::Outward::default(),
            undelivered: None,
            stale_rows: true,
        };
        model.history.sample(&model.state);
        model.banner.settle(&model.state, now.real);
        model.refresh();
        model
    }

    /// The state on the screen: the session's, or the one it was frozen at.
    pub fn shown(&self) -> &SessionState {
        self.frozen.as_ref().map_or(&self.state, |frozen| &frozen.state)
    }

    /// Folds events into the state.
    pub fn fold(&mut self, records: &[Record]) {
        for record in records {
            self.state.apply(record);
        }
        self.disk.follow(records, self.now.real);
        self.changed();
    }

    /// Takes a whole state in place of the one held.
    pub fn adopt(&mut self, state: Box<SessionState>) {
        self.disk.skip(&self.state, &state, self.now.real);
        self.state = state;
        self.changed();
    }

    fn changed(&mut self) {
        self.updated = self.now.real;
        self.dirty = true;
        self.stale_rows = true;
        self.history.sample(&self.state);
        self.flights.settle(&self.state, self.now.real);
        self.banner.settle(&self.state, self.now.real);
    }

    /// Says that rows have to be put in order anew before the next look at them.
    pub fn reorder(&mut self) {
        self.stale_rows = true;
        self.dirty = true;
    }

    /// Puts rows in order and keeps selections in sight. Called before a key acts and before a
    /// frame is drawn, so that the state may change many times in between.
    pub fn refresh(&mut self) {
        if std::mem::take(&mut self.stale_rows) {
            let hold_order = matches!(self.mode, Mode::Prompt(_));
            let mut tables = std::mem::take(&mut self.tables);
            for table in &mut tables {
                let rows = rows::rows(self, table);
                table.take_rows(rows, hold_order);
            }
            self.tables = tables;
        }
        let layout = layout::layout(self);
        for table in &mut self.tables {
            table.scroll_to_selected(layout.rows_of(table.pane));
        }
    }

    /// The table of a pane.
    pub fn table(&self, pane: Pane) -> &Table {
        let [positions, orders, breakers, alerts, detail, audit, history] = &self.tables;
        match pane {
            Pane::Positions => positions,
            Pane::Orders => orders,
            Pane::Breakers => breakers,
            Pane::Alerts => alerts,
            Pane::Detail => detail,
            Pane::Audit => audit,
            Pane::History => history,
        }
    }

    /// The table of a pane, to change it.
    pub fn table_mut(&mut self, pane: Pane) -> &mut Table {
        let [positions, orders, breakers, alerts, detail, audit, history] = &mut self.tables;
        match pane {
            Pane::Positions => positions,
            Pane::Orders => orders,
            Pane::Breakers => breakers,
            Pane::Alerts => alerts,
            Pane::Detail => detail,
            Pane::Audit => audit,
            Pane::History => history,
        }
    }

    /// The order that is selected in the orders pane.
    pub fn selected_order(&self) -> Option<OrderNo> {
        match self.table(Pane::Orders).selected {
            Some(RowId::Order(no)) => Some(no),
            _ => None,
        }
    }

    /// The open position that is selected in the positions pane.
    pub fn selected_position(&self) -> Option<&Position> {
        match self.table(Pane::Positions).selected {
            Some(RowId::Position(id)) => self.shown().positions.by_id(id),
            _ => None,
        }
    }

    /// How old the data on the screen is.
    pub fn data_age(&self) -> Duration {
        self.now.real.saturating_sub(self.updated)
    }

    /// Whether something asks that has to have been seen before it is answered.
    pub fn wants_to_be_seen(&self) -> bool {
        matches!(&self.mode, Mode::Prompt(prompt) if prompt.drawn.is_none())
    }

    /// When the prompt was opened or armed again; `None` while nothing asks.
    pub fn prompt_armed(&self) -> Option<Duration> {
        match &self.mode {
            Mode::Prompt(prompt) => Some(prompt.armed_at),
            _ => None,
        }
    }

    /// Whether rows can be seen well enough to act on them.
    pub fn rows_visible(&self) -> bool {
        !layout::is_tiny(self.size)
    }
}
