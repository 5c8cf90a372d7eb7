//! The whole mind under test: scenes from a household, and random ones.

mod actuation;
mod codes;
mod devices;
mod house;
mod invariants;
mod life_safety;
mod logs;
mod radios;
