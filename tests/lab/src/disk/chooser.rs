//! The choice among the states that a crash may leave.

/// Answers "which of these?", either with every answer there is, one run after the other, or by
/// chance that a seed repeats.
#[derive(Debug, Clone)]
pub struct Chooser(Mode);

#[derive(Debug, Clone)]
enum Mode {
    /// The answers of this run and how many there were to choose from, and the next question.
    All {
        answers: Vec<(usize, usize)>,
        at: usize,
    },
    Chance(fastrand::Rng),
}

impl Chooser {
    /// Answers by chance.
    pub fn seeded(seed: u64) -> Self {
        Chooser(Mode::Chance(fastrand::Rng::with_seed(seed)))
    }

    /// Runs `run` once for every row of answers it can get; returns how often that was. `run` has to
    /// ask the same questions when it gets the same answers.
    pub fn all(mut run: impl FnMut(&mut Chooser)) -> u64 {
        let mut answers = Vec::new();
        let mut runs = 0;
        loop {
            let mut chooser = Chooser(Mode::All { answers, at: 0 });
            run(&mut chooser);
            runs += 1;
            let Chooser(Mode::All { answers: given, .. }) = chooser else {
                return runs;
            };
            answers = given;
            // The last question that has another answer gets it; those behind it may change.
            while answers.pop_if(|(answer, of)| *answer + 1 == *of).is_some() {}
            match answers.last_mut() {
                Some((answer, _)) => *answer += 1,
                None => return runs,
            }
        }
    }

    /// A number below `of`, which is at least 1.
    pub fn choose(&mut self, of: usize) -> usize {
        match &mut self.0 {
            Mode::Chance(rng) => rng.usize(..of),
            Mode::All { answers, at } => {
                if *at == answers.len() {
                    answers.push((0, of));
                }
                *at += 1;
                answers[*at - 1].0
            }
        }
    }
}
