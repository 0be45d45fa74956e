//! Any bodies at once, in any order of steps: their bytes are right, no budget is exceeded, nothing stays behind.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Bodies at once.
const BODIES: usize = 4;
const PER_CLIENT: u64 = 400_000;
const TOTAL: u64 = 600_000;

#[derive(Clone, Debug)]
enum Step {
    Expect(u64),
    Push(usize),
    PushUnasked(usize),
    Read { from: u64, count: u64, piece: usize },
    Complete,
    Finish,
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..500_000_u64).prop_map(Step::Expect),
        8 => (0..100_000_usize).prop_map(Step::Push),
        2 => (0..100_000_usize).prop_map(Step::PushUnasked),
        4 => (0..400_000_u64, 0..100_000_u64, 1..70_000_usize)
            .prop_map(|(from, count, piece)| Step::Read { from, count, piece }),
        1 => Just(Step::Complete),
        1 => Just(Step::Finish),
        1 => Just(Step::Renew),
    ]
}

/// A body, and what it must be.
struct Held {
    spool: Spool,
    body: Vec<u8>,
    client: IpAddr,
    completed: Completed,
}

#[derive(Clone, Copy, PartialEq)]
enum Completed {
    Yes,
    No,
}

impl Held {
    fn open(spools: &Arc<Spools>, number: usize) -> Held {
        let client = client(number as u8 % 2);
        Held { spool: spools.open(client), body: Vec::new(), client, completed: Completed::No }
    }

    async fn take(&mut self, step: Step, spools: &Arc<Spools>, number: usize) -> Result<(), SpoolFault> {
        match step {
            Step::Expect(length) => self.spool.expect(length)?,
            Step::Push(_) | Step::PushUnasked(_) if self.completed == Completed::Yes => {}
            Step::Push(count) => {
                ready(&mut self.spool).await?;
                self.push(count)?;
            }
            Step::PushUnasked(count) => self.push(count)?,
            Step::Read { from, count, piece } => {
                let from = from.min(self.spool.len());
                let end = (from + count).min(self.spool.len());
                let came = read(&mut self.spool, from, end, piece).await.expect("what came can be read");
                assert!(came == self.body[from as usize..end as usize], "from {from} to {end}");
            }
            Step::Complete => {
                self.spool.complete();
                self.completed = Completed::Yes;
            }
            Step::Finish => finish(&mut self.spool).await?,
            Step::Renew => *self = Held::open(spools, number),
        }
        Ok(())
    }

    fn push(&mut self, count: usize) -> Result<(), SpoolFault> {
        let more: Vec<u8> = (0..count).map(|at| ((self.body.len() + at) / 3 * 7) as u8).collect();
        self.spool.push(&more)?;
        self.body.extend_from_slice(&more);
        Ok(())
    }
}

async fn run(steps: Vec<(usize, Step)>) {
    let directory = tempfile::tempdir().expect("a directory");
    let spools = spools(settings(70_000, PER_CLIENT, TOTAL, directory.path()));
    let mut bodies: Vec<Held> = (0..BODIES).map(|number| Held::open(&spools, number)).collect();
    for (number, step) in steps {
        let outcome = bodies[number].take(step, &spools, number).await;
        assert!(!matches!(outcome, Err(SpoolFault::Disk(_))), "{outcome:?}");
        let mut clients = HashMap::new();
        for held in &bodies {
            assert_eq!(held.spool.len(), held.body.len() as u64);
            *clients.entry(held.client).or_insert(0) += held.spool.len();
        }
        assert!(clients.values().all(|sum| *sum <= PER_CLIENT) && spools.budgets.total() <= TOTAL, "{clients:?}");
        assert!(spools.budgets.total() >= clients.values().sum());
    }
    for held in &mut bodies {
        let length = held.spool.len();
        assert!(read(&mut held.spool, 0, length, 65_536).await.expect("read") == held.body);
    }
    drop(bodies);
    nothing_is_held(&spools).await;
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bodies_in_any_order(steps in prop::collection::vec((0..BODIES, step()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(steps));
    }
}
