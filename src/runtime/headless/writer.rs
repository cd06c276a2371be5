//! Standard output, written by its own thread. Whoever hands lines over never waits: when the reader
//! is so far behind that the bound is reached, lines are lost, counted, and told in their place as
//! soon as it reads again. Answers have a larger bound of their own, so that a flood of events costs
//! events.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::outward::Line;
use crate::runtime::watched::{self, Alarm};

/// Bytes of events that may wait for the reader.
const EVENTS: usize = 16 << 20;
/// Bytes of answers, and of the session's own lines, that may wait for the reader.
const ANSWERS: usize = 32 << 20;
/// Bytes that are written at a time.
const CHUNK: usize = 64 << 10;
/// What a line costs beyond its text.
const OVERHEAD: usize = 64;
/// At the end: how long a reader may take nothing before the rest is given up.
const IDLE: Duration = Duration::from_secs(1);
/// At the end: how long the rest is written at most.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An event, with the number of the last fact by then.
    Event(u64),
    /// An answer, or a line of the session itself.
    Answer,
}

enum Waiting {
    Line {
        class: Class,
        text: String,
    },
    /// Lines that were lost here.
    Lost(Lost),
}

#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    events: u64,
    answers: u64,
    after_seq: u64,
    up_to_seq: u64,
}

impl Lost {
    fn line(&self) -> Line {
        let line = Line::new("events_lost").with("after_seq", &self.after_seq).with("up_to_seq", &self.up_to_seq);
        let line = line.with("count", &self.events);
        if self.answers > 0 { line.with("answers_lost", &self.answers) } else { line }
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    event_bytes: usize,
    answer_bytes: usize,
    /// Number of the last fact up to which lines were queued or lost.
    seq: u64,
    /// Bytes that the reader has taken.
    written: u64,
    writing: bool,
    closing: bool,
    /// Nobody reads any more, or the thread has ended.
    over: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    called: Condvar,
    progress: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines.
pub struct Writer(Arc<Shared>);

impl Writer {
    /// Starts the thread on this output. Should it end by a defect, the session is told and goes on: its
    /// journal has it all.
    pub fn start(out: impl Write + Send + 'static, alarm: Alarm) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("stdout".into()).spawn(move || {
            let over = Over(&theirs);
            watched::work("the thread of standard output", &alarm, None, || serve(&theirs, out));
            drop(over);
        })?;
        Ok(Self(shared))
    }

    /// Queues a line, or counts it as lost; never waits.
    pub fn write(&self, class: Class, line: &Line) {
        let mut queue = self.0.lock();
        if queue.over {
            // Nobody reads any more: the session goes on all the same, its journal has it all.
            return;
        }
        queue.push(class, line.text());
        drop(queue);
        self.0.called.notify_one();
    }

    /// Lets what is queued be written, but does not wait for a reader that does not read.
    pub fn close(&self) {
        let begun = Instant::now();
        let mut queue = self.0.lock();
        queue.closing = true;
        self.0.called.notify_one();
        let mut moved = (queue.written, begun);
        while !queue.over && (queue.writing || !queue.waiting.is_empty()) {
            if queue.written != moved.0 {
                moved = (queue.written, Instant::now());
            }
            if moved.1.elapsed() >= IDLE || begun.elapsed() >= LAST_WORDS {
                return;
            }
            let wait = Duration::from_millis(50);
            queue = self.0.progress.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Says that the thread has ended, however it did.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.over = true;
        queue.waiting = VecDeque::new();
        drop(queue);
        self.0.progress.notify_all();
    }
}

impl Queue {
    fn push(&mut self, class: Class, text: String) {
        let cost = text.len().saturating_add(OVERHEAD);
        let (bytes, most) = match class {
            Class::Event(_) => (&mut self.event_bytes, EVENTS),
            Class::Answer => (&mut self.answer_bytes, ANSWERS),
        };
        let fits = bytes.saturating_add(cost) <= most;
        if fits {
            *bytes = bytes.saturating_add(cost);
            self.waiting.push_back(Waiting::Line { class, text });
        } else {
            self.lose(class);
        }
        if let Class::Event(seq) = class {
            self.seq = seq;
        }
    }

    fn lose(&mut self, class: Class) {
        let after_seq = self.seq;
        if !matches!(self.waiting.back(), Some(Waiting::Lost(_))) {
            self.waiting.push_back(Waiting::Lost(Lost { after_seq, up_to_seq: after_seq, ..Lost::default() }));
        }
        let Some(Waiting::Lost(lost)) = self.waiting.back_mut() else { return };
        match class {
            Class::Event(seq) => {
                lost.events = lost.events.saturating_add(1);
                lost.up_to_seq = seq;
            }
            Class::Answer => lost.answers = lost.answers.saturating_add(1),
        }
    }

    /// Takes out what is written next.
    fn take(&mut self, chunk: &mut String) {
        chunk.clear();
        while chunk.len() < CHUNK
            && let Some(next) = self.waiting.pop_front()
        {
            match next {
                Waiting::Line { class, text } => {
                    let cost = text.len().saturating_add(OVERHEAD);
                    match class {
                        Class::Event(_) => self.event_bytes = self.event_bytes.saturating_sub(cost),
                        Class::Answer => self.answer_bytes = self.answer_bytes.saturating_sub(cost),
                    }
                    chunk.push_str(&text);
                }
                Waiting::Lost(lost) => chunk.push_str(&lost.line().text()),
            }
            chunk.push('\n');
        }
    }
}

fn serve(shared: &Shared, mut out: impl Write) {
    let mut chunk = String::new();
    loop {
        let mut queue = shared.lock();
        while queue.waiting.is_empty() {
            if queue.closing {
                return;
            }
            queue = shared.called.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.take(&mut chunk);
        queue.writing = true;
        drop(queue);
        let written = out.write_all(chunk.as_bytes()).and_then(|()| out.flush());
        let mut queue = shared.lock();
        queue.writing = false;
        queue.written = queue.written.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        drop(queue);
        shared.progress.notify_all();
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use serde_json::Value;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

    use super::*;
    use crate::engine::Input;

    /// A reader that reads when it is told to, and then without end.
    struct Stuck(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // An error means that it reads from now on.
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn unheard() -> (UnboundedSender<Input>, UnboundedReceiver<Input>) {
        tokio::sync::mpsc::unbounded_channel()
    }

    fn stuck() -> (Writer, Sender<()>, Receiver<Vec<u8>>) {
        let ((go, wait), (tell, told)) = (channel(), channel());
        (Writer::start(Stuck(wait, tell), Alarm::new(unheard().0)).unwrap(), go, told)
    }

    fn lines(told: &Receiver<Vec<u8>>) -> Vec<Value> {
        let bytes: Vec<u8> = told.try_iter().flatten().collect();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn event(seq: u64) -> Line {
        Line::new("tick").with("seq", &seq).with("text", &"x".repeat(1_000))
    }

    #[test]
    fn an_unread_output_costs_events_counted_and_told_in_their_place_and_no_answer() {
        let (writer, go, told) = stuck();
        let most = u64::try_from(3 * EVENTS / 1_000).unwrap();
        for seq in 1..=most {
            writer.write(Class::Event(seq), &event(seq));
            if seq % 1_000 == 0 {
                writer.write(Class::Answer, &Line::new("answer").with("id", &seq));
            }
        }
        let held = {
            let queue = writer.0.lock();
            queue.event_bytes + queue.answer_bytes
        };
        assert!(held <= EVENTS + ANSWERS, "memory is bounded: {held}");
        drop(go);
        writer.close();
        let said = lines(&told);
        let answers = said.iter().filter(|line| line["event"] == "answer").count();
        assert_eq!(u64::try_from(answers).unwrap(), most / 1_000, "every answer is told");
        let mut expected = 0;
        let mut lost = 0;
        for line in said.iter().filter(|line| line["event"] != "answer") {
            if line["event"] == "events_lost" {
                assert_eq!(line["after_seq"], expected, "{line}");
                let up_to = line["up_to_seq"].as_u64().unwrap();
                assert_eq!(line["count"], up_to - expected, "{line}");
                lost += up_to - expected;
                expected = up_to;
            } else {
                expected += 1;
                assert_eq!(line["seq"], expected);
            }
        }
        assert_eq!(expected, most, "to the last");
        assert!(lost > 0);
    }

    #[test]
    fn a_reader_that_reads_nothing_holds_up_the_end_for_a_second_only() {
        let (writer, _go, _told) = stuck();
        writer.write(Class::Answer, &Line::new("answer"));
        let begun = Instant::now();
        writer.close();
        assert!(begun.elapsed() < LAST_WORDS, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_closed_output_keeps_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let writer = Writer::start(Closed, Alarm::new(unheard().0)).unwrap();
        writer.write(Class::Answer, &Line::new("first"));
        while !writer.0.lock().over {
            std::thread::yield_now();
        }
        writer.write(Class::Event(1), &event(1));
        assert!(writer.0.lock().waiting.is_empty());
        writer.close();
    }

    #[test]
    fn an_output_that_panics_is_an_alert_and_the_session_goes_on() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                panic!("a defect of the writer")
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (inputs, mut told) = unheard();
        let writer = Writer::start(Broken, Alarm::new(inputs)).unwrap();
        writer.write(Class::Answer, &Line::new("first"));
        match told.blocking_recv() {
            Some(Input::Failure { what }) => assert!(what.contains("standard output") && what.contains("a defect of")),
            other => panic!("{other:?}"),
        }
        writer.close();
        writer.write(Class::Event(1), &event(1));
    }
}
