//! The past for a dashboard: questions go to threads of their own, one for each place where the past
//! is kept, so that a slow disk or a server that hangs delays no frame and no other place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::Builder;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::gateway::panic_text;
use crate::model::{PastError, PastPage, PastQuery, PastReader};

/// An answer, with the number of its question.
#[derive(Debug)]
pub struct PastAnswer {
    /// As it was given with the question.
    pub ticket: u64,
    /// A page.
    pub page: Result<PastPage, PastError>,
}

/// A place where the past is kept.
struct Place {
    name: String,
    /// Until it is asked first; the thread has it from then on.
    reader: Option<Box<dyn PastReader>>,
    questions: Option<mpsc::Sender<(u64, PastQuery)>>,
}

/// All places where the past is kept; the first is asked by default.
pub struct Archive {
    places: Vec<Place>,
    tell: UnboundedSender<PastAnswer>,
    answers: UnboundedReceiver<PastAnswer>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Archive").field(&self.names()).finish()
    }
}

impl Archive {
    /// An archive of places by name. No thread runs until one is asked.
    pub fn new(places: Vec<(String, Box<dyn PastReader>)>) -> Self {
        let (tell, answers) = unbounded_channel();
        let place = |(name, reader)| Place { name, reader: Some(reader), questions: None };
        Self { places: places.into_iter().map(place).collect(), tell, answers }
    }

    /// The places, by what they are called.
    pub fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.name.clone()).collect()
    }

    /// Asks a place, without waiting. A question that nobody has begun to answer is dropped for a
    /// newer one: only the last one counts for whoever types.
    pub fn ask(&mut self, place: usize, ticket: u64, query: PastQuery) {
        let refused = |why: &str| PastAnswer { ticket, page: Err(PastError(why.to_owned())) };
        let Some(place) = self.places.get_mut(place) else {
            // The other end is ours.
            let _ = self.tell.send(refused("no history is kept here"));
            return;
        };
        if let Some(reader) = place.reader.take() {
            let (questions, take) = mpsc::channel();
            let tell = self.tell.clone();
            if Builder::new().name("history".into()).spawn(move || answer(reader, &take, &tell)).is_ok() {
                place.questions = Some(questions);
            }
        }
        let asked = place.questions.as_ref().is_some_and(|questions| questions.send((ticket, query)).is_ok());
        if !asked {
            let _ = self.tell.send(refused("the thread that reads the history could not be started, or has died"));
        }
    }

    /// The next answer. Never ends; safe to drop and ask again.
    pub async fn next(&mut self) -> PastAnswer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // The archive itself holds a sender.
            None => std::future::pending().await,
        }
    }
}

fn answer(
    mut reader: Box<dyn PastReader>,
    questions: &mpsc::Receiver<(u64, PastQuery)>,
    tell: &UnboundedSender<PastAnswer>,
) {
    while let Ok(mut asked) = questions.recv() {
        while let Ok(newer) = questions.try_recv() {
            asked = newer;
        }
        let (ticket, query) = asked;
        // A defect in one question is the answer to it, and not the end of all history.
        let page = catch_unwind(AssertUnwindSafe(|| reader.page(&query)));
        let page = page.unwrap_or_else(|panic| {
            Err(PastError(format!("reading the history ended by a defect: {}", panic_text(panic.as_ref()))))
        });
        if tell.send(PastAnswer { ticket, page }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Answers when it is let.
    struct Slow(Receiver<()>);

    impl PastReader for Slow {
        fn page(&mut self, query: &PastQuery) -> Result<PastPage, PastError> {
            self.0.recv().map_err(|_| PastError("gone".into()))?;
            Ok(PastPage { rows: Vec::new(), more: query.limit > 1 })
        }
    }

    fn asked(limit: usize) -> PastQuery {
        PastQuery { limit, ..PastQuery::default() }
    }

    #[tokio::test]
    async fn a_place_that_hangs_delays_no_other_and_only_the_last_question_counts() {
        let (let_one, one) = channel();
        let (let_two, two) = channel();
        let mut archive = Archive::new(vec![("one".into(), Box::new(Slow(one))), ("two".into(), Box::new(Slow(two)))]);
        archive.ask(0, 1, asked(1));
        archive.ask(1, 2, asked(2));
        let_two.send(()).unwrap();
        let answer = archive.next().await;
        assert_eq!((answer.ticket, answer.page.unwrap().more), (2, true));
        for ticket in 3..9 {
            archive.ask(0, ticket, asked(1));
        }
        // The first was begun, or not: then all that wait are one.
        for _ in 0..2 {
            let_one.send(()).unwrap();
        }
        let mut answer = archive.next().await;
        if answer.ticket == 1 {
            answer = archive.next().await;
        }
        assert_eq!(answer.ticket, 8);
    }

    /// Has a defect in its first answer.
    struct Faulty(usize);

    impl PastReader for Faulty {
        fn page(&mut self, _: &PastQuery) -> Result<PastPage, PastError> {
            self.0 += 1;
            assert!(self.0 > 1, "on purpose");
            Ok(PastPage { rows: Vec::new(), more: false })
        }
    }

    #[tokio::test]
    async fn a_defect_in_the_history_is_its_answer_and_the_next_question_is_answered() {
        let mut archive = Archive::new(vec![("one".into(), Box::new(Faulty(0)))]);
        archive.ask(0, 1, asked(1));
        let answer = archive.next().await;
        assert_eq!(answer.ticket, 1);
        let error = answer.page.unwrap_err().to_string();
        assert!(error.contains("ended by a defect") && error.contains("on purpose"), "{error}");
        archive.ask(0, 2, asked(1));
        assert!(archive.next().await.page.is_ok());
    }

    #[tokio::test]
    async fn where_nothing_is_kept_the_answer_says_so() {
        let mut archive = Archive::new(Vec::new());
        archive.ask(0, 7, asked(1));
        let answer = archive.next().await;
        assert_eq!(answer.ticket, 7);
        assert!(answer.page.unwrap_err().to_string().contains("no history"));
    }
}
