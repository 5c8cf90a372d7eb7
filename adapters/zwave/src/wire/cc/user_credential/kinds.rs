//! The numbers of User Credential: kinds, operations, and why a lock reports something.

use crate::wire::cc::codec::byte_enum;

byte_enum! {
    /// A kind of credential.
    pub enum CredentialType {
        /// None.
        None = 0x00,
        /// Digits at the keypad.
        Pin = 0x01,
        /// A text at the keypad.
        Password = 0x02,
        /// A tag or card by RFID.
        Rfid = 0x03,
        /// A Bluetooth device.
        Ble = 0x04,
        /// A tag or phone by NFC.
        Nfc = 0x05,
        /// A device by ultra-wide band.
        Uwb = 0x06,
        /// An eye.
        Eye = 0x07,
        /// A face.
        Face = 0x08,
        /// A finger.
        Finger = 0x09,
        /// A hand.
        Hand = 0x0A,
        /// Another part of the body.
        UnspecifiedBiometric = 0x0B,
        /// A DESFire card; since version 2.
        Desfire = 0x0C,
    }
}

byte_enum! {
    /// What to do with a user or a credential.
    ///
    /// Spec: CC:0083.01.05, CC:0083.01.0A
    pub enum Operation {
        /// It is new.
        Add = 0x00,
        /// It is there and becomes another.
        Modify = 0x01,
        /// It goes.
        Delete = 0x02,
    }
}

byte_enum! {
    /// Why a lock reports a user.
    ///
    /// Spec: CC:0083.01.07
    pub enum UserReportType {
        /// It was added.
        Added = 0x00,
        /// It was changed.
        Modified = 0x01,
        /// It was deleted; user 0 means all.
        Deleted = 0x02,
        /// It is as it was.
        Unchanged = 0x03,
        /// Somebody asked.
        ResponseToGet = 0x04,
        /// It was not added: there is one.
        AddRejectedOccupied = 0x05,
        /// It was not changed: there is none.
        ModifyRejectedEmpty = 0x06,
        /// It was not taken: an expiring user needs a time.
        ZeroExpiringMinutes = 0x07,
    }
}

byte_enum! {
    /// Why a lock reports a credential.
    ///
    /// Spec: CC:0083.01.0C
    pub enum CredentialReportType {
        /// It was added.
        Added = 0x00,
        /// It was changed.
        Modified = 0x01,
        /// It was deleted.
        Deleted = 0x02,
        /// It is as it was.
        Unchanged = 0x03,
        /// Somebody asked.
        ResponseToGet = 0x04,
        /// It was not added: there is one.
        AddRejectedOccupied = 0x05,
        /// It was not changed: there is none.
        ModifyRejectedEmpty = 0x06,
        /// It was not taken: another slot has the same.
        Duplicate = 0x07,
        /// It was not taken: the maker thinks it too weak.
        ManufacturerSecurityRules = 0x08,
        /// It was not taken: the slot is another user's, or there is no such user.
        WrongUser = 0x09,
        /// It was not taken: it is the master code.
        DuplicateAdminCode = 0x0A,
    }
}

byte_enum! {
    /// Who made a user or a credential what it is.
    ///
    /// Spec: CC:0083.01.07
    pub enum Modifier {
        /// There is none.
        DoesNotExist = 0x00,
        /// The lock does not know.
        Unknown = 0x01,
        /// A node by radio.
        ZWave = 0x02,
        /// Somebody at the lock.
        Locally = 0x03,
        /// Somebody by another way, such as an app.
        Elsewhere = 0x04,
    }
}

byte_enum! {
    /// What kind of user it is.
    ///
    /// Spec: CC:0083.01.05
    pub enum UserType {
        /// Opens the door.
        General = 0x00,
        /// Programs the lock.
        Programming = 0x03,
        /// Tells something without opening the door.
        NonAccess = 0x04,
        /// Opens the door and tells that somebody was forced to.
        Duress = 0x05,
        /// Opens the door once.
        Disposable = 0x06,
        /// Opens the door for some minutes after the first use.
        Expiring = 0x07,
        /// Opens the door by radio alone.
        RemoteOnly = 0x09,
    }
}

byte_enum! {
    /// How reading a credential in goes on.
    ///
    /// Spec: CC:0083.01.11
    pub enum LearnStatus {
        /// It began.
        Started = 0x00,
        /// One step is done; the last one when no steps remain.
        Success = 0x01,
        /// One is being read in already.
        AlreadyInProgress = 0x02,
        /// It ended without one.
        Ended = 0x03,
        /// Nobody came in time.
        Timeout = 0x04,
        /// This step shall be done again.
        StepRetry = 0x05,
        /// There is one in the slot.
        InvalidAdd = 0xFE,
        /// There is none in the slot.
        InvalidModify = 0xFF,
    }
}
