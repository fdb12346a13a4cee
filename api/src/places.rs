//! How many streams are open at once, in all and for one user: each asks the database twice a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::UserId;

use crate::caller::Caller;

/// Of everybody together.
const ALL: usize = 200;
/// Of one user, so that no browser full of tabs shuts the others out. A service watches for many users: only the sum holds it.
pub const PER_USER: usize = 10;

/// The places there are.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<UserId, usize>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Everybody's are taken.
    All,
    /// This user's are.
    User,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    user: Option<UserId>,
}

impl Places {
    /// Takes a place for the caller.
    pub fn take(&self, caller: Caller) -> Result<Place, Full> {
        let user = match caller {
            Caller::User(user) => Some(user),
            Caller::Service => None,
        };
        let mut taken = self.lock();
        if taken.all >= ALL {
            return Err(Full::All);
        }
        if let Some(user) = user {
            let own = taken.of.entry(user).or_default();
            if *own >= PER_USER {
                return Err(Full::User);
            }
            *own += 1;
        }
        taken.all += 1;
        drop(taken);
        Ok(Place { places: self.clone(), user })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(user) = self.user
            && let Some(own) = taken.of.get_mut(&user)
        {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_never_takes_all_places_and_what_is_given_back_is_free() {
        let (places, one, other) =
            (Places::default(), Caller::User(UserId::new()), Caller::User(UserId::new()));
        let mut held: Vec<_> = (0..PER_USER).map(|_| places.take(one).expect("a place")).collect();
        assert_eq!(places.take(one).err(), Some(Full::User));
        held.push(places.take(other).expect("another user's"));
        held.extend((PER_USER + 1..ALL).map(|_| places.take(Caller::Service).expect("a service's")));
        for caller in [one, other, Caller::Service] {
            assert!(places.take(caller).is_err());
        }
        assert_eq!(places.take(other).err(), Some(Full::All));
        drop(held);
        assert!(places.lock().of.is_empty() && places.lock().all == 0);
    }
}
