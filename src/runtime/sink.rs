//! The copy of the projections in QuestDB, as a session has it: started with it, stopped after it,
//! and never waited for in between.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::QuestDbSettings;
use crate::model::SinkStatus;
use crate::store::questdb::{Conf, Drain, DrainOptions, QuestDbError};

/// What a session tells of its sink; `None` when it has none.
pub type SinkView = Option<watch::Receiver<SinkStatus>>;

/// A sink that is configured, before its projections are there.
pub struct Configured {
    conf: Conf,
    settings: QuestDbSettings,
    tell: watch::Sender<SinkStatus>,
}

/// A sink that runs.
pub struct Sink {
    drain: Drain,
    patience: Duration,
}

impl Configured {
    /// The sink that the settings name, if any.
    ///
    /// # Errors
    /// When the connection string is none.
    pub fn of(settings: &QuestDbSettings) -> Result<Option<Self>, QuestDbError> {
        let Some(text) = settings.conf.expose() else { return Ok(None) };
        let conf = Conf::parse(text)?;
        let (tell, _) = watch::channel(SinkStatus::default());
        Ok(Some(Self { conf, settings: settings.clone(), tell }))
    }

    /// Where it is, for those who read there.
    pub fn conf(&self) -> Conf {
        self.conf.clone()
    }

    /// For those who watch it.
    pub fn view(&self) -> watch::Receiver<SinkStatus> {
        self.tell.subscribe()
    }

    /// Starts it on these projections.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self, database: &Path) -> Result<Sink, QuestDbError> {
        let options = DrainOptions { retention_days: self.settings.retention_days, ..DrainOptions::default() };
        let drain = Drain::start(&self.conf, database, options, self.tell)?;
        Ok(Sink { drain, patience: self.settings.stop_drain })
    }
}

impl Sink {
    /// Sends what is left, for as long as the settings allow, and says how far it came.
    pub fn stop(self) -> SinkStatus {
        self.drain.stop(self.patience)
    }
}
