//! See `hubd_fuzz_bodies::security_2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::security_2(data));
