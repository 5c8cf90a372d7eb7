//! Adding and removing nodes, also by SmartStart.
//!
//! Spec: INS12350, `ZW_AddNodeToNetwork` (0x4A), `ZW_RemoveNodeFromNetwork` (0x4B).

use hubd_model::{Millis, MonoTime};

use super::{DeviceKey, Dongle, Due};
use crate::device::Place;

const ADD: u8 = 0x4a;
const REMOVE: u8 = 0x4b;

const READY: u8 = 1;
const FOUND: u8 = 2;
const END_NODE: u8 = 3;
const PROTOCOL_DONE: u8 = 5;
const DONE: u8 = 6;
const FAILED: u8 = 7;

/// How long a device stays in learn mode after its button was pressed.
const LEARN_MODE: Millis = Millis::from_secs(30);
/// The longest pause between two SmartStart announcements.
const ANNOUNCE_EVERY_MAX_S: u64 = 512;

/// What the stick is doing to its table.
#[derive(Debug, Default)]
pub(super) enum Joining {
    /// Nothing.
    #[default]
    Idle,
    /// Waiting for a device to add.
    Adding {
        callback: u8,
        wanted: Option<[u8; 4]>,
        node: Option<u16>,
        taken: bool,
    },
    /// Waiting for a device to remove.
    Removing { callback: u8, taken: bool },
}

/// SmartStart and learn mode.
#[derive(Debug, Default)]
pub(super) struct SmartStart {
    pub(super) listening: bool,
    /// The device whose button was pressed last, and until when that counts.
    learning: Option<(DeviceKey, MonoTime)>,
}

/// One step of adding or removing.
#[derive(Debug)]
pub(super) enum Step {
    AddFound(DeviceKey),
    AddEndNode(DeviceKey),
    AddProtocolDone,
    RemoveFound(DeviceKey),
    RemoveEndNode(DeviceKey),
    RemoveDone(u16),
}

/// The two home ids that a SmartStart device shows: before inclusion, and for authentication.
fn home_ids(dsk: &[u8; 16]) -> ([u8; 4], [u8; 4]) {
    let (_, home_ids) = dsk.split_at(8);
    let take = |from: usize| {
        home_ids
            .get(from..)
            .and_then(|ids| ids.first_chunk::<4>())
            .copied()
            .unwrap_or_default()
    };
    let ([first, nwi @ .., last], [auth_first, auth @ .., auth_last]) = (take(0), take(4));
    let [[b, c], [f, g]] = [nwi, auth];
    (
        [first | 0xc0, b, c, last & 0xfe],
        [auth_first & 0x3f, f, g, auth_last | 0x01],
    )
}

impl Dongle {
    fn status(&mut self, at: MonoTime, function: u8, callback: u8, status: u8, node: u16, info: &[u8]) {
        if callback == 0 {
            return;
        }
        let mut data = vec![callback];
        data.extend(self.node_information(status, node, info));
        self.agenda.add(at, Due::ToHost { function, data });
    }

    pub(super) fn add_node(&mut self, now: MonoTime, data: &[u8]) {
        let [mode, callback, ref home_ids @ ..] = *data else {
            return;
        };
        let soon = now + Millis(5);
        match mode & 0x0f {
            1..=4 => {
                self.joining = Joining::Adding {
                    callback,
                    wanted: None,
                    node: None,
                    taken: false,
                };
                self.status(soon, ADD, callback, READY, 0, &[]);
                self.look_for_learner(soon);
            }
            8 => {
                let Some((nwi, _)) = home_ids.split_first_chunk::<4>() else {
                    self.status(soon, ADD, callback, FAILED, 0, &[]);
                    return;
                };
                self.joining = Joining::Adding {
                    callback,
                    wanted: Some(*nwi),
                    node: None,
                    taken: false,
                };
                self.status(soon, ADD, callback, READY, 0, &[]);
                self.look_for_learner(soon);
            }
            9 => self.smart_start.listening = true,
            5 | 6 => {
                self.smart_start.listening = false;
                let node = match std::mem::take(&mut self.joining) {
                    Joining::Adding { node, .. } => node.unwrap_or(0),
                    Joining::Idle | Joining::Removing { .. } => 0,
                };
                self.status(soon, ADD, callback, DONE, node, &[]);
            }
            _ => self.status(soon, ADD, callback, FAILED, 0, &[]),
        }
    }

    pub(super) fn remove_node(&mut self, now: MonoTime, data: &[u8]) {
        let [mode, callback, ..] = *data else { return };
        let soon = now + Millis(5);
        match mode & 0x0f {
            1..=3 => {
                self.joining = Joining::Removing {
                    callback,
                    taken: false,
                };
                self.status(soon, REMOVE, callback, READY, 0, &[]);
                self.look_for_learner(soon);
            }
            5 => {
                self.joining = Joining::Idle;
                self.status(soon, REMOVE, callback, DONE, 0, &[]);
            }
            _ => self.status(soon, REMOVE, callback, FAILED, 0, &[]),
        }
    }

    /// The button that includes and excludes. A member that is not being removed shows who it is.
    pub(super) fn learn_button(&mut self, now: MonoTime, key: DeviceKey) {
        let Some(member) = self
            .members
            .get(key.0)
            .filter(|member| member.powered && member.reachable)
        else {
            return;
        };
        if let Some(node) = member.node
            && !matches!(self.joining, Joining::Removing { .. })
        {
            let info = member.device.info().frame();
            let data = self.node_information(0x84, node, &info);
            self.agenda
                .add(now + Millis(15), Due::ToHost { function: 0x49, data });
            return;
        }
        self.smart_start.learning = Some((key, now + LEARN_MODE));
        self.look_for_learner(now);
    }

    /// Brings a waiting stick and a device in learn mode together.
    fn look_for_learner(&mut self, now: MonoTime) {
        let usable = |key: DeviceKey| {
            self.members
                .get(key.0)
                .is_some_and(|member| member.powered && member.reachable)
        };
        let learner = self
            .smart_start
            .learning
            .filter(|(key, until)| now < *until && usable(*key));
        let step = match &mut self.joining {
            Joining::Adding {
                wanted: None,
                taken: taken @ false,
                ..
            } => {
                let learner = learner.filter(|(key, _)| {
                    self.members
                        .get(key.0)
                        .is_some_and(|member| member.node.is_none())
                });
                learner.map(|(key, _)| {
                    *taken = true;
                    Step::AddFound(key)
                })
            }
            Joining::Adding {
                wanted: Some(wanted),
                taken: taken @ false,
                ..
            } => {
                let index = self.members.iter().position(|member| {
                    let named = member.device.dsk().is_some_and(|dsk| home_ids(&dsk).0 == *wanted);
                    named && member.smart_start && member.powered && member.reachable && member.node.is_none()
                });
                index.map(|index| {
                    *taken = true;
                    Step::AddFound(DeviceKey(index))
                })
            }
            Joining::Removing {
                taken: taken @ false, ..
            } => learner.map(|(key, _)| {
                *taken = true;
                Step::RemoveFound(key)
            }),
            Joining::Idle | Joining::Adding { .. } | Joining::Removing { .. } => None,
        };
        if let Some(step) = step {
            self.smart_start.learning = None;
            let at = now + self.chance.millis(30, 80);
            self.agenda.add(at, Due::Join(step));
        }
    }

    fn info_of(&self, key: DeviceKey) -> Vec<u8> {
        self.members
            .get(key.0)
            .map(|member| member.device.info().frame())
            .unwrap_or_default()
    }

    pub(super) fn join_step(&mut self, now: MonoTime, step: Step) {
        match (step, &mut self.joining) {
            (Step::AddFound(key), Joining::Adding { callback, .. }) => {
                let callback = *callback;
                self.status(now, ADD, callback, FOUND, 0, &[]);
                let at = now + self.chance.millis(80, 150);
                self.agenda.add(at, Due::Join(Step::AddEndNode(key)));
            }
            (Step::AddEndNode(key), Joining::Adding { .. }) => self.add_end_node(now, key),
            (Step::AddProtocolDone, Joining::Adding { callback, .. }) => {
                let callback = *callback;
                self.status(now, ADD, callback, PROTOCOL_DONE, 0, &[]);
            }
            (Step::RemoveFound(key), Joining::Removing { callback, .. }) => {
                let callback = *callback;
                self.status(now, REMOVE, callback, FOUND, 0, &[]);
                let at = now + self.chance.millis(80, 150);
                self.agenda.add(at, Due::Join(Step::RemoveEndNode(key)));
            }
            (Step::RemoveEndNode(key), Joining::Removing { callback, .. }) => {
                let callback = *callback;
                let node = self.node_of(key).unwrap_or(0);
                let info = self.info_of(key);
                self.forget_membership(key);
                self.nodes.remove(&node);
                self.status(now, REMOVE, callback, END_NODE, node, &info);
                let at = now + self.chance.millis(80, 150);
                self.agenda.add(at, Due::Join(Step::RemoveDone(node)));
            }
            (Step::RemoveDone(node), Joining::Removing { callback, .. }) => {
                let callback = *callback;
                self.joining = Joining::Idle;
                self.status(now, REMOVE, callback, DONE, node, &[]);
            }
            // The host stopped meanwhile: the device goes on alone.
            _ => {}
        }
    }

    fn add_end_node(&mut self, now: MonoTime, key: DeviceKey) {
        let entered = self.enter(key);
        let (home_id, own) = (self.config.home_id, self.config.own_node);
        let Joining::Adding { callback, node, .. } = &mut self.joining else {
            return;
        };
        let callback = *callback;
        *node = entered;
        let Some(entered) = entered else {
            self.status(now, ADD, callback, FAILED, 0, &[]);
            return;
        };
        if let Some(member) = self.members.get_mut(key.0) {
            member.contact = Some(now);
            member.smart_start = false;
            member.device.join(
                now,
                Place {
                    home_id,
                    node: entered,
                    controller: own,
                },
            );
        }
        let info = self.info_of(key);
        self.status(now, ADD, callback, END_NODE, entered, &info);
        let at = now + self.chance.millis(300, 700);
        self.agenda.add(at, Due::Join(Step::AddProtocolDone));
    }

    /// A device asks for a network to join, with longer and longer pauses.
    pub(super) fn announce(&mut self, now: MonoTime, who: DeviceKey, count: u32) {
        let Some(member) = self.members.get(who.0) else {
            return;
        };
        if !member.smart_start || member.node.is_some() {
            return;
        }
        let pause = (1_u64 << count.min(10)).min(ANNOUNCE_EVERY_MAX_S);
        self.agenda.add(
            now + Millis::from_secs(pause),
            Due::Announce {
                who,
                count: count + 1,
            },
        );
        let Some(dsk) = member.device.dsk() else { return };
        if !self.smart_start.listening || !member.powered || !member.reachable {
            return;
        }
        let (nwi, _) = home_ids(&dsk);
        let info = member.device.info().frame();
        let mut data = vec![0x85];
        self.put_node(&mut data, 0);
        data.push(0); // receive status
        data.extend_from_slice(&nwi);
        // The length counts the command classes alone.
        data.push(u8::try_from(info.len().saturating_sub(3)).unwrap_or(0));
        data.extend(info);
        self.tell_host(now, 0x49, &data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_ids_follow_from_the_dsk() {
        let mut dsk = [0; 16];
        dsk[8..].copy_from_slice(&[0x35, 0xf3, 0xdd, 0xbf, 0xf9, 0xfe, 0xb2, 0x58]);
        assert_eq!(
            home_ids(&dsk),
            ([0xf5, 0xf3, 0xdd, 0xbe], [0x39, 0xfe, 0xb2, 0x59])
        );
    }
}
