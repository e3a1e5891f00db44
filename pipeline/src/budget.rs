//! A memory budget that workers draw on.

use std::sync::{Condvar, Mutex};

/// Bytes that may be held at once, drawn and given back. A draw above the whole budget gets all of it, alone.
pub(crate) struct Budget {
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// Bytes drawn; dropping it gives them back.
pub(crate) struct Permit<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(total: u64) -> Self {
        Self { total, free: Mutex::new(total), returned: Condvar::new() }
    }

    /// Waits until `bytes` are free. A worker holds one permit at a time, so nobody waits in a circle.
    pub(crate) fn draw(&self, bytes: u64) -> Permit<'_> {
        let bytes = bytes.min(self.total);
        let mut free = self.free.lock().expect("no holder of the budget panics");
        while *free < bytes {
            free = self.returned.wait(free).expect("no holder of the budget panics");
        }
        *free -= bytes;
        Permit { budget: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().expect("no holder of the budget panics") += self.bytes;
        self.budget.returned.notify_all();
    }
}
