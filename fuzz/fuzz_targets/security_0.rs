//! See `hubd_fuzz_bodies::security_0`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::security_0(data));
