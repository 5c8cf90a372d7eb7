//! See `hubd_fuzz_bodies::passkey`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::passkey(data));
