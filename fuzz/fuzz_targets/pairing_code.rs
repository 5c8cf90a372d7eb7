//! See `hubd_fuzz_bodies::pairing_code`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hubd_fuzz_bodies::pairing_code(data));
