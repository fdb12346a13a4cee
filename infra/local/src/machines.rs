//! The table of machines: by id, by name among the living, and in order of birth.

use crate::record::Record;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::watch;

/// A machine and those who watch it.
pub struct Slot {
    pub record: Record,
    born: u64,
    /// Told of every change.
    pub changed: watch::Sender<()>,
    /// The signal sent to a machine that only pretends to run.
    pub signal: watch::Sender<Option<i32>>,
}

/// All machines of one server.
#[derive(Default)]
pub struct Machines {
    slots: HashMap<String, Slot>,
    all: BTreeMap<u64, String>,
    live: BTreeMap<u64, String>,
    names: HashMap<(String, String), String>,
    births: u64,
}

impl Machines {
    /// Adds a machine, or gives the id of the one that has its name.
    pub fn insert(&mut self, record: Record) -> Result<(), String> {
        let key = (record.app.clone(), record.name.clone());
        self.births += 1;
        if record.is_live() {
            if let Some(holder) = self.names.get(&key) {
                return Err(holder.clone());
            }
            self.names.insert(key, record.id.clone());
            self.live.insert(self.births, record.id.clone());
        }
        self.all.insert(self.births, record.id.clone());
        let slot = Slot {
            born: self.births,
            changed: watch::Sender::new(()),
            signal: watch::Sender::new(None),
            record,
        };
        self.slots.insert(slot.record.id.clone(), slot);
        Ok(())
    }

    /// The machine with this id.
    pub fn get(&self, id: &str) -> Option<&Slot> {
        self.slots.get(id)
    }

    /// Changes a machine; the name of one that is destroyed is free from then on.
    pub fn update<R>(&mut self, id: &str, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let slot = self.slots.get_mut(id)?;
        let result = change(slot);
        slot.record.updated_ms = crate::clock::now_ms();
        slot.changed.send_replace(());
        if !slot.record.is_live() && self.live.remove(&slot.born).is_some() {
            self.names.remove(&(slot.record.app.clone(), slot.record.name.clone()));
        }
        Some(result)
    }

    /// The machines of every app that are not destroyed, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Record> {
        self.live.values().filter_map(|id| self.slots.get(id)).map(|slot| &slot.record)
    }

    /// Every machine there ever was, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.all.values().filter_map(|id| self.slots.get(id)).map(|slot| &slot.record)
    }
}
