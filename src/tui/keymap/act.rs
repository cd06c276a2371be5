//! What a key can do: one table that the key map, the footer, the help and the palette are all
//! made from.

/// An action of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// No new exposure, cancel entries.
    Halt,
    /// Cancel the selected order, or the marked ones.
    CancelOrder,
    /// No new exposure.
    Pause,
    /// New exposure again.
    Resume,
    /// Close a breaker, take a limit back.
    Reset,
    /// The banner's alert has been seen.
    Ack,
    /// All alerts on the screen have been seen.
    AckAll,
    /// To what the banner is about.
    Go,
    /// Cancel a set of orders.
    CancelSet,
    /// End all exposure.
    Flatten,
    /// Take the exit of the selected position back.
    WithdrawExit,
    /// Show only rows with a text.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Turn the direction around.
    SortDirection,
    /// Mark a row.
    Mark,
    /// One pane alone.
    Zoom,
    /// More of the selected row.
    Detail,
    /// The display stands still.
    Freeze,
    /// Find an action.
    Palette,
    /// The help.
    Help,
    /// One level back.
    Back,
    /// End, or not.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// The id of the selected row to the clipboard.
    Copy,
    /// The keyboard to a pane.
    Focus(crate::tui::model::Pane),
    /// The keyboard to the next pane.
    NextPane,
    /// The keyboard to the pane before.
    PreviousPane,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// The history's next table.
    NextTable,
    /// The history's table before.
    PreviousTable,
    /// The history's page again, as it is now.
    Reload,
    /// The history from another place.
    Source,
    /// Confirms a prompt that asks yes or no.
    Yes,
    /// Confirms a pause that also cancels entries.
    YesAndCancel,
}

/// What is said of an action.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The action.
    pub act: Act,
    /// Its name in the key map and the palette.
    pub name: &'static str,
    /// Its word in the footer; none when it is not shown there.
    pub hint: Option<&'static str>,
    /// A sentence for the help.
    pub help: &'static str,
    /// Whether it can be chosen in the palette.
    pub palette: bool,
}

use crate::tui::model::Pane;

const fn about(act: Act, name: &'static str, hint: Option<&'static str>, help: &'static str, palette: bool) -> About {
    About { act, name, hint, help, palette }
}

/// All actions.
pub const ACTS: [About; 46] = [
    about(Act::Halt, "halt", Some("HALT"), "no new orders, cancel entries, keep protective orders", true),
    about(Act::CancelOrder, "cancel-order", Some("cancel"), "cancel the selected order, or the marked ones", true),
    about(Act::Pause, "pause", Some("pause"), "no new exposure; exits and cancels go on", true),
    about(Act::Resume, "resume", Some("resume"), "allow new exposure again", true),
    about(Act::Reset, "reset", Some("reset"), "close the selected breaker, or take the tripped limit back", true),
    about(Act::Ack, "ack", Some("ack"), "acknowledge the alert in the banner", true),
    about(Act::AckAll, "ack-all", None, "acknowledge all alerts on the screen", true),
    about(Act::Go, "go", None, "go to what the banner is about", true),
    about(Act::Filter, "filter", Some("filter"), "show only rows with a text", true),
    about(Act::Sort, "sort", Some("sort"), "sort by the next column", true),
    about(Act::Zoom, "zoom", Some("zoom"), "this pane alone, and back", true),
    about(Act::Help, "help", Some("help"), "keys and what they do now", true),
    about(Act::Quit, "quit", Some("quit"), "end the session or stay; asks first", true),
    about(Act::CancelSet, "cancel-set", Some("cancel all"), "cancel all working orders that the filter shows", true),
    about(Act::Flatten, "flatten", Some("flatten"), "end all exposure, step by step", true),
    about(
        Act::WithdrawExit,
        "withdraw-exit",
        Some("withdraw exit"),
        "stop closing the selected position: it stays open (asks)",
        true,
    ),
    about(Act::Palette, "palette", None, "find an action by its name", false),
    about(Act::SortDirection, "sort-direction", None, "turn the sort direction around", true),
    about(Act::Mark, "mark", None, "mark the row; cancel then acts on the marks", true),
    about(Act::Detail, "detail", None, "more about the selected row", true),
    about(Act::Freeze, "freeze", None, "the display stands still; a critical alert ends it", true),
    about(Act::Back, "back", None, "one level back; never quits", false),
    about(Act::Interrupt, "interrupt", None, "says how to quit; twice asks about it", false),
    about(Act::Suspend, "suspend", None, "suspend to the shell", true),
    about(Act::Copy, "copy", None, "copy the id of the selected row to the clipboard", true),
    about(Act::Focus(Pane::Positions), "focus-positions", None, "to the positions", true),
    about(Act::Focus(Pane::Orders), "focus-orders", None, "to the orders", true),
    about(Act::Focus(Pane::Breakers), "focus-breakers", None, "to the breakers and limits", true),
    about(Act::Focus(Pane::Alerts), "focus-alerts", None, "to the alerts", true),
    about(Act::Focus(Pane::Detail), "focus-detail", None, "to the detail of the selected row", true),
    about(Act::Focus(Pane::Audit), "focus-audit", None, "to the commands and what became of them", true),
    about(Act::Focus(Pane::History), "focus-history", Some("history"), "past orders, positions, signals, alerts", true),
    about(Act::NextTable, "next-table", Some("table"), "the next table of the history", true),
    about(Act::PreviousTable, "previous-table", None, "the table of the history before", true),
    about(Act::Reload, "reload", Some("reload"), "read this page of the history again", true),
    about(Act::Source, "source", Some("source"), "the history from this machine, or from QuestDB", true),
    about(Act::NextPane, "next-pane", None, "to the next pane", false),
    about(Act::PreviousPane, "previous-pane", None, "to the pane before", false),
    about(Act::Up, "up", None, "one row up", false),
    about(Act::Down, "down", None, "one row down", false),
    about(Act::PageUp, "page-up", None, "one page up", false),
    about(Act::PageDown, "page-down", None, "one page down", false),
    about(Act::First, "first", None, "to the first row", false),
    about(Act::Last, "last", None, "to the last row", false),
    about(Act::Yes, "yes", None, "confirm what the prompt asks", false),
    about(Act::YesAndCancel, "yes-and-cancel-entries", None, "confirm a pause that also cancels entries", false),
];

impl Act {
    /// What is said of it.
    pub fn about(self) -> Option<&'static About> {
        static TABLE: [About; 46] = ACTS;
        TABLE.iter().find(|about| about.act == self)
    }

    /// The action with this name.
    pub fn named(name: &str) -> Option<Self> {
        ACTS.iter().find(|about| about.name == name).map(|about| about.act)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.about().map_or("?", |about| about.name)
    }
}
