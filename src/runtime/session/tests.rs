//! The loop around the engine, on virtual time, with an exchange that does what a test says and a
//! disk that fails when a test says so.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::*;
use crate::clock::Speed;
use crate::config::Settings;
use crate::exchange::{Departure, Exchange};
use crate::journal::{Disk, DiskFile, Journal, Options, RealDisk};
use crate::model::*;
use crate::runtime::bus::{Interest, Subscriptions};
use crate::runtime::data_dir::projections_of;
use crate::runtime::durable::Durable;
use crate::runtime::intake::{Intake, SignalAnswer};
use crate::runtime::scribe::Manner;
use crate::runtime::{CommandSender, Update, recover};
use crate::store::witness::{self, Seen};

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn btc() -> Symbol {
    Symbol::new("BTC_USDT").unwrap()
}

/// An exchange without a market: it takes orders and never fills them.
#[derive(Default)]
struct Fake {
    placed: Mutex<Vec<PlaceOrder>>,
    cancelled: Mutex<Vec<OrderNo>>,
    reads: AtomicUsize,
    down: AtomicBool,
    /// The time is asked for in vain.
    hangs: AtomicBool,
    /// How many ask for it now, and how many did at once at most.
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
    panics: AtomicBool,
    /// Facts that were safe when an order was placed are looked up here.
    on_place: Mutex<Option<Box<dyn Fn() + Send>>>,
    /// Keeps the stream open.
    pushes: Mutex<Option<mpsc::Sender<Push>>>,
}

impl Fake {
    fn read<T>(&self, value: T) -> Result<T, CallError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            let message = "connection refused".to_owned();
            return Err(CallError {
                class: ErrorClass::Retryable,
                counts: true,
                code: None,
                refusal: Refusal::Unspecified,
                message,
            });
        }
        Ok(value)
    }
}

/// A call that waits; it is counted until it is dropped.
struct Waits<'a>(&'a Fake);

impl<'a> Waits<'a> {
    fn new(fake: &'a Fake) -> Self {
        let now = fake.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        fake.most_waiting.fetch_max(now, Ordering::SeqCst);
        Self(fake)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Exchange for Fake {
    fn address(&self) -> String {
        "fake".into()
    }
    fn capabilities(&self) -> VenueCapabilities {
        VenueCapabilities::default()
    }
    async fn server_time(&self) -> Result<ClockOffset, CallError> {
        if self.hangs.load(Ordering::SeqCst) {
            let _waits = Waits::new(self);
            std::future::pending::<()>().await;
        }
        self.read(ClockOffset { offset_us: 0, round_trip_us: 1_000 })
    }
    async fn contracts(&self, _: &[Symbol]) -> Result<Vec<ContractSpec>, CallError> {
        let tier =
            RiskTier { max_contracts: Contracts(dec("1000000")), maintenance_rate: dec("0.004"), max_leverage: 100 };
        self.read(vec![ContractSpec {
            symbol: btc(),
            contract_size: dec("0.0001"),
            tick: dec("0.1"),
            lot: dec("1"),
            min_contracts: Contracts(dec("1")),
            max_contracts: Contracts(dec("1000000")),
            max_leverage: 100,
            taker_fee_rate: dec("0.0006"),
            maker_fee_rate: dec("0.0002"),
            liquidation_fee_rate: dec("0.0004"),
            tiers: vec![tier],
            enabled: true,
        }])
    }
    async fn position_mode(&self) -> Result<PositionMode, CallError> {
        self.read(PositionMode::Hedge)
    }
    async fn set_leverage(&self, _: &PositionKey, _: u32, _: MarginMode) -> Result<(), CallError> {
        Ok(())
    }
    async fn place(&self, order: &PlaceOrder, departure: &Departure) -> Result<VenueOrderId, CallError> {
        assert!(departure.leave(), "nothing is revoked here");
        assert!(!self.panics.load(Ordering::SeqCst), "a defect of the adapter");
        if let Some(look) = self.on_place.lock().unwrap().as_ref() {
            look();
        }
        let mut placed = self.placed.lock().unwrap();
        placed.push(order.clone());
        Ok(VenueOrderId::new(&format!("v{}", placed.len())).unwrap())
    }
    async fn cancel(&self, orders: &[CancelOrder]) -> Result<Vec<(OrderNo, CancelOutcome)>, CallError> {
        self.cancelled.lock().unwrap().extend(orders.iter().map(|order| order.no));
        Ok(orders.iter().map(|order| (order.no, CancelOutcome::Accepted)).collect())
    }
    async fn order(&self, _: &Symbol, _: &ClientOrderId) -> Result<Option<OrderReport>, CallError> {
        self.read(None)
    }
    async fn open_orders(&self) -> Result<Listing<OrderReport>, CallError> {
        let report = |(at, order): (usize, &PlaceOrder)| OrderReport {
            venue_id: VenueOrderId::new(&format!("v{}", at + 1)).unwrap(),
            client_id: Some(order.client_id.clone()),
            symbol: order.symbol.clone(),
            intent: order.intent,
            state: VenueOrderState::Resting,
            contracts: order.contracts,
            filled: Contracts::ZERO,
            average_price: None,
            category: Category::Normal,
            error_code: 0,
            refusal: Refusal::Unspecified,
            version: 1,
            updated_at: VenueTime::ZERO,
            created_at: None,
            limit: None,
        };
        let placed = self.placed.lock().unwrap();
        self.read(placed.iter().enumerate().map(report).collect::<Vec<_>>().into())
    }
    async fn order_history(&self, _: VenueTime) -> Result<Listing<OrderReport>, CallError> {
        self.read(Listing::default())
    }
    async fn order_fills(&self, _: &Symbol, _: &VenueOrderId) -> Result<Listing<FillReport>, CallError> {
        self.read(Listing::default())
    }
    async fn fills_since(&self, _: &[Symbol], _: VenueTime) -> Result<Listing<FillReport>, CallError> {
        self.read(Listing::default())
    }
    async fn positions(&self) -> Result<Listing<PositionReport>, CallError> {
        self.read(Listing::default())
    }
    async fn account(&self) -> Result<Listing<AccountReport>, CallError> {
        let account = AccountReport {
            equity: Some(Usdt(dec("10000"))),
            available: Usdt(dec("10000")),
            position_margin: Usdt::ZERO,
            order_margin: Usdt::ZERO,
            unrealised: Some(Usdt::ZERO),
        };
        self.read(vec![account].into())
    }
    async fn evidence(&self, _: &PositionKey, _: VenueTime) -> Result<Evidence, CallError> {
        self.read(Evidence::default())
    }
    fn stream(&self, _: Vec<Symbol>) -> mpsc::Receiver<Push> {
        let (sender, receiver) = mpsc::channel(100);
        sender.try_send(Push::Connected).unwrap();
        *self.pushes.lock().unwrap() = Some(sender);
        receiver
    }
}

/// A disk whose writes fail while a switch is on.
struct Failing(Arc<AtomicBool>);
struct FailingFile(Box<dyn DiskFile>, Arc<AtomicBool>);

fn full(broken: &AtomicBool) -> io::Result<()> {
    if broken.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl Disk for Failing {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FailingFile(RealDisk.open(path)?, Arc::clone(&self.0))))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        full(&self.0)?;
        Ok(Box::new(FailingFile(RealDisk.create(path)?, Arc::clone(&self.0))))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

impl DiskFile for FailingFile {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        full(&self.1)?;
        self.0.write_all_at(bytes, at)
    }
    fn sync(&mut self) -> io::Result<()> {
        full(&self.1)?;
        self.0.sync()
    }
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// Facts that may wait for the disk here.
const MOST: u64 = 300;

struct Bench {
    fake: Arc<Fake>,
    broken: Arc<AtomicBool>,
    commands: CommandSender,
    intake: Intake,
    subscriptions: Subscriptions,
    abandon: mpsc::UnboundedSender<String>,
    task: tokio::task::JoinHandle<Ended>,
    updates: super::super::bus::Subscription,
    state: SessionState,
    dir: tempfile::TempDir,
    durable: tokio::sync::watch::Receiver<Durable>,
}

impl Bench {
    /// A session that has started and is reconciled, with a price.
    async fn ready() -> Self {
        let mut bench = Self::start(Fake::default(), Settings::default());
        bench.until(|state| state.phase == Phase::Ready).await;
        bench.quote("50000").await;
        bench
    }

    fn start(fake: Fake, settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broken = Arc::new(AtomicBool::new(false));
        let disk = Box::new(Failing(Arc::clone(&broken)));
        let (journal, _) = Journal::open_on(&dir.path().join("journal"), Options::default(), disk).unwrap();
        let clock = Clock::starting_at(SessionTime::from_secs(1_800_000_000), Speed::Max);
        let fake = Arc::new(fake);
        let exchange: Arc<dyn Exchange> = Arc::<Fake>::clone(&fake);
        let pushes = exchange.stream(vec![btc()]);
        let (tell, internal) = mpsc::unbounded_channel();
        let gateway = Gateway::new(exchange, clock.clone(), settings.exchange.call_timeout, vec![btc()], tell);
        let bus = EventBus::new();
        let subscriptions = bus.subscriptions();
        let updates = subscriptions.folding("test", Interest::Everything, 100_000);
        let scribe = Scribe::new(journal, Manner::InPlace).unwrap();
        let (commands, take_commands) = CommandSender::channel();
        let (intake, signals) = Intake::channel();
        let (abandon, take_abandon) = mpsc::unbounded_channel();
        let info = SessionInfo {
            id: SessionId::new("testtest").unwrap(),
            environment: Environment::Paper,
            exchange: "fake".into(),
            label: "test".into(),
            started_at: clock.now(),
            starts: 1,
            incarnation: None,
            identity: Some(Identity::embedded()),
        };
        let (tell_durable, durable) = TellDurable::channel();
        let session = Session::new(Engine::new(settings, SessionState::default()), clock, bus, scribe, gateway)
            .with_durable(tell_durable)
            .with_projections(Projector::start(&dir.path().join("journal"), &projections_of(dir.path())).unwrap())
            .with_most_waiting(MOST);
        let ports = Ports { commands: take_commands, internal, pushes, signals, abandon: take_abandon };
        let task = tokio::spawn(session.run(Input::Start { info: Box::new(info), note: None }, ports));
        let state = SessionState::default();
        Self { fake, broken, commands, intake, subscriptions, abandon, task, updates, state, dir, durable }
    }

    /// Follows the session until something is true of it.
    async fn until(&mut self, condition: impl Fn(&SessionState) -> bool) {
        while !condition(&self.state) {
            match self.updates.next().await.expect("the session goes on") {
                Update::Snapshot(state) => self.state = (*state).clone(),
                Update::Events(records) => records.iter().for_each(|record| self.state.apply(record)),
            }
        }
    }

    async fn quote(&mut self, price: &str) {
        let price = Some(Price(dec(price)));
        let at = VenueTime::from_secs(1_800_000_000);
        let quote = Quote { symbol: btc(), last: price, mark: price, bid: price, ask: price, funding_rate: None, at };
        let pushes = self.fake.pushes.lock().unwrap().clone().unwrap();
        // A first price waits for a second tick.
        let first = Quote { at: VenueTime::from_secs(1_799_999_999), ..quote.clone() };
        for quote in [first, quote] {
            pushes.send(Push::Quote(quote)).await.unwrap();
        }
        self.until(|state| state.quote(&btc()).is_some_and(|quote| quote.mark == price && quote.at == at)).await;
    }

    fn signal(&self, id: &str, price: Option<&str>) -> oneshot::Receiver<SignalAnswer> {
        let signal = RawSignal {
            signal_id: id.into(),
            signal_type: "S1".into(),
            symbol: "BTC_USDT".into(),
            side: "buy".into(),
            quantity: Some("0.01".into()),
            price: price.map(str::to_owned),
            ..RawSignal::default()
        };
        self.intake.submit(signal).unwrap()
    }

    fn command(&self, id: &str, action: Action) {
        self.commands.send(Command { id: CommandId::new(id).unwrap(), by: "test".into(), action }).unwrap();
    }

    async fn stop(self) -> (Ended, tempfile::TempDir) {
        self.command("stop", Action::Stop { policy: StopPolicy::Leave });
        (self.task.await.unwrap(), self.dir)
    }
}

fn ordered(answer: &SignalAnswer) -> OrderNo {
    match answer {
        SignalAnswer::Decided { outcome: SignalOutcome::Ordered { order }, .. } => *order,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_becomes_an_order_and_its_facts_are_on_disk_before_it_leaves() {
    let bench = Bench::ready().await;
    let journal = bench.dir.path().join("journal");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    *bench.fake.on_place.lock().unwrap() = Some(Box::new(move || {
        let entries = crate::journal::read(&journal).unwrap().map(|entry| entry.unwrap().body);
        let sent = entries.filter(|body| body.contains("\"order_sent\"")).count();
        note.lock().unwrap().push(sent);
    }));
    let answer = bench.signal("s1", Some("49000")).await.unwrap();
    assert_eq!(ordered(&answer), OrderNo(1));
    let mut bench = bench;
    bench.until(|state| state.orders.get(OrderNo(1)).is_some_and(|order| order.venue_id.is_some())).await;
    assert_eq!(*seen.lock().unwrap(), [1], "when the request left, the journal held the intent to send it");
    let placed = bench.fake.placed.lock().unwrap().clone();
    assert_eq!(placed[0].client_id.as_str(), "testtest-1");
}

#[tokio::test(start_paused = true)]
async fn a7_a_second_delivery_of_a_signal_gets_the_first_answer() {
    let bench = Bench::ready().await;
    let first = bench.signal("s1", Some("49000")).await.unwrap();
    let second = bench.signal("s1", Some("49000")).await.unwrap();
    assert_eq!(first, second);
    let (ended, _dir) = bench.stop().await;
    assert_eq!(ended.state.counters.orders, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_a_journal_that_leads_to_the_same_state() {
    let bench = Bench::ready().await;
    for n in 0..5 {
        bench.signal(&format!("s{n}"), Some("49000")).await.unwrap();
    }
    let (ended, dir) = bench.stop().await;
    assert!(ended.abandoned.is_none() && ended.journal_error.is_none());
    let journal = dir.path().join("journal");
    let recovered = recover(&journal, 1 << 20).unwrap();
    assert_eq!(recovered.state.facts(), ended.state.facts(), "from the snapshot that a stop writes");
    let mut folded = SessionState::default();
    for entry in crate::journal::read(&journal).unwrap() {
        folded.apply(&crate::store::record_of(&entry.unwrap()).unwrap());
    }
    assert_eq!(folded.facts(), ended.state.facts(), "and from the facts alone");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_stops_entries_and_loses_no_fact() {
    let mut bench = Bench::ready().await;
    ordered(&bench.signal("before", Some("49000")).await.unwrap());
    bench.until(|state| state.orders.get(OrderNo(1)).is_some_and(|order| order.venue_id.is_some())).await;
    bench.broken.store(true, Ordering::SeqCst);
    let mut answer = bench.signal("meanwhile", Some("48000"));
    bench.until(|state| state.upkeep.journal_error.is_some()).await;
    assert!(answer.try_recv().is_err(), "what is not on record is not answered");
    bench.command("c", Action::Cancel { orders: vec![OrderNo(1)] });
    bench
        .until(|state| state.upkeep.journal_error.as_ref().is_some_and(|e| e.contains("unjournaled: cancel #1")))
        .await;
    assert_eq!(*bench.fake.cancelled.lock().unwrap(), [OrderNo(1)], "a cancel leaves all the same");
    assert_eq!(bench.fake.placed.lock().unwrap().len(), 1, "an entry does not");
    bench.broken.store(false, Ordering::SeqCst);
    bench.until(|state| state.upkeep.journal_error.is_none()).await;
    assert!(answer.await.is_ok(), "answered when it is on record");
    let seq = bench.state.seq;
    bench.abandon.send("enough".into()).unwrap();
    let ended = bench.task.await.unwrap();
    let recovered = recover(&bench.dir.path().join("journal"), 1 << 20).unwrap();
    assert!(recovered.state.seq >= seq);
    assert_eq!(recovered.state.facts(), ended.state.facts(), "nothing of the bad time is missing");
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_a_call_is_told_and_its_order_is_not_forgotten() {
    let mut bench = Bench::ready().await;
    bench.fake.panics.store(true, Ordering::SeqCst);
    bench.signal("s1", Some("49000")).await.unwrap();
    bench.until(|state| state.alerts.all().any(|alert| alert.key.kind == AlertKind::InternalFailure)).await;
    bench.until(|state| state.orders.get(OrderNo(1)).is_some_and(|order| order.state == OrderState::Unknown)).await;
}

#[tokio::test(start_paused = true)]
async fn b1_an_exchange_that_is_down_is_asked_at_a_bounded_rate() {
    let fake = Fake::default();
    fake.down.store(true, Ordering::SeqCst);
    let bench = Bench::start(fake, Settings::default());
    tokio::time::sleep(Duration::from_mins(10)).await;
    let reads = bench.fake.reads.load(Ordering::SeqCst);
    assert!(reads > 3, "it is asked again: {reads}");
    assert!(reads < 2_000, "about once a poll at most: {reads} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn questions_without_an_answer_do_not_pile_up_and_the_next_one_is_answered() {
    let fake = Fake::default();
    fake.hangs.store(true, Ordering::SeqCst);
    fake.down.store(true, Ordering::SeqCst);
    let mut bench = Bench::start(fake, Settings::default());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(bench.fake.most_waiting.load(Ordering::SeqCst), 3, "two are kept while the third is put");
    bench.fake.hangs.store(false, Ordering::SeqCst);
    bench.fake.down.store(false, Ordering::SeqCst);
    let healed = tokio::time::Instant::now();
    bench.until(|state| state.phase == Phase::Ready).await;
    assert!(healed.elapsed() < Duration::from_secs(2), "{:?}", healed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn b2_a_subscriber_that_reads_back_and_commands_does_not_stop_the_session() {
    let bench = Bench::ready().await;
    let mut updates = bench.subscriptions.folding("busybody", Interest::Everything, 10);
    let (commands, intake) = (bench.commands.clone(), bench.intake.clone());
    let busybody = tokio::spawn(async move {
        let mut round = 0;
        while let Some(_update) = updates.next().await {
            round += 1;
            if round < 50 {
                let id = CommandId::new(&format!("b{round}")).unwrap();
                let action = Action::Pause { cancel_entries: false };
                commands.send(Command { id, by: "busybody".into(), action }).unwrap();
                drop(intake.submit(RawSignal { signal_id: format!("b{round}"), ..RawSignal::default() }));
            }
        }
    });
    let mut bench = bench;
    bench.until(|state| state.control == Control::Paused).await;
    let (ended, _dir) = bench.stop().await;
    assert_eq!(ended.state.phase, Phase::Stopped);
    busybody.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_session_still_writes_what_it_has() {
    let mut bench = Bench::ready().await;
    bench.signal("s1", Some("49000")).await.unwrap();
    bench.until(|state| state.orders.get(OrderNo(1)).is_some()).await;
    bench.abandon.send("a test".into()).unwrap();
    let ended = bench.task.await.unwrap();
    assert_eq!(ended.abandoned.as_deref(), Some("a test"));
    let recovered = recover(&bench.dir.path().join("journal"), 1 << 20).unwrap();
    assert_eq!(recovered.state.facts(), ended.state.facts());
    assert!(bench.intake.submit(RawSignal::default()).is_err(), "it takes no signals any more");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_but_not_on_disk_is_told_apart_by_the_number_of_the_last_safe_fact() {
    let mut bench = Bench::ready().await;
    bench.broken.store(true, Ordering::SeqCst);
    bench.command("halt", Action::Halt);
    let id = CommandId::new("halt").unwrap();
    bench.until(|state| state.command(&id).is_some_and(|record| record.status.is_final())).await;
    assert_eq!(bench.state.control, Control::Halted, "a halt acts at once");
    let done_at = bench.state.seq;
    bench.until(|state| state.upkeep.journal_error.is_some()).await;
    bench.durable.wait_for(|durable| durable.trouble.is_some()).await.unwrap();
    assert!(bench.durable.borrow().safe < done_at, "and is not on disk");
    bench.broken.store(false, Ordering::SeqCst);
    bench.durable.wait_for(|durable| durable.safe >= done_at).await.unwrap();
    let entries = crate::journal::read(&bench.dir.path().join("journal")).unwrap();
    let last = entries.map(|entry| entry.unwrap().seq).last();
    assert!(last.is_some_and(|last| last >= done_at), "what is told as safe is in the journal: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_broken_disk_is_bounded_no_fact_is_dropped_and_it_is_said() {
    let mut bench = Bench::ready().await;
    bench.broken.store(true, Ordering::SeqCst);
    let mut first_refusal = None;
    for n in 0..MOST {
        let answer = bench.signal(&format!("n{n}"), Some("49000"));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut answer = answer;
        if let Ok(SignalAnswer::Refused { reason }) = answer.try_recv() {
            assert!(reason.contains("not taken") && reason.contains("wait for the disk"), "{reason}");
            first_refusal = Some(n);
            break;
        }
    }
    assert!(first_refusal.is_some(), "signals are taken without end");
    bench.until(|state| state.upkeep.journal_error.as_ref().is_some_and(|e| e.contains("no new signals"))).await;
    let said = |alert: &Alert| alert.key.kind == AlertKind::JournalFailed && alert.message.contains("no new signals");
    bench.until(|state| state.alerts.all().any(said)).await;
    // Commands are taken all the same.
    bench.command("halt", Action::Halt);
    bench.until(|state| state.control == Control::Halted).await;
    bench.broken.store(false, Ordering::SeqCst);
    bench.until(|state| state.upkeep.journal_error.is_none()).await;
    let answer = bench.signal("after", Some("49000")).await.unwrap();
    assert!(!matches!(answer, SignalAnswer::Refused { .. }), "taken again: {answer:?}");
    let (ended, dir) = bench.stop().await;
    let recovered = recover(&dir.path().join("journal"), 1 << 20).unwrap();
    assert_eq!(recovered.state.facts(), ended.state.facts(), "no fact is missing");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_for_good_is_a_critical_alert_and_a_link_that_is_down() {
    let mut bench = Bench::ready().await;
    *bench.fake.pushes.lock().unwrap() = None;
    bench.until(|state| state.alerts.all().any(|alert| alert.key.kind == AlertKind::InternalFailure)).await;
    bench.until(|state| matches!(state.upkeep.link.state, LinkState::Down { .. })).await;
    // And the session goes on.
    bench.signal("s1", Some("49000")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_history_never_knows_what_the_journal_does_not() {
    let mut bench = Bench::ready().await;
    bench.broken.store(true, Ordering::SeqCst);
    bench.command("halt", Action::Halt);
    bench.until(|state| state.control == Control::Halted).await;
    bench.until(|state| state.upkeep.journal_error.is_some()).await;
    bench.abandon.send("as a kill would".into()).unwrap();
    let ended = bench.task.await.unwrap();
    assert!(ended.journal_error.is_some());
    let entries = crate::journal::read(&bench.dir.path().join("journal")).unwrap();
    let last = entries.map(|entry| entry.unwrap().seq).last().unwrap();
    assert!(last < ended.state.seq);
    match witness::look(&projections_of(bench.dir.path())) {
        Seen::Facts(anchor) => assert_eq!(anchor.seq, last),
        other => panic!("{other:?}"),
    }
}
