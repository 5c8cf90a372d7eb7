//! See `hubd_fuzz_bodies::s2_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::s2_session(data));
