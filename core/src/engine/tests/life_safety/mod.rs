//! Life safety in a whole mind: what detectors, locks, people and power cuts do to it.

mod crash;
mod rules;
mod seeded;
mod world;
