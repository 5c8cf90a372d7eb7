//! See `hubd_fuzz_bodies::network_keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::network_keys(data));
