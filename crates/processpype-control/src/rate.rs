//! How often one client may do something.
//!
//! A bucket of tokens for each client, kept as one number: when it will be full again (GCRA, as in
//! the core's throttle of restarts). What is refused takes nothing out of the bucket, so that a
//! client that tries too often is not shut out for longer than one that waits.
//!
//! # Invariants
//!
//! 1. Within any time `t` a client gets at most `burst + per_second × t`.
//! 2. The table has at most [`CLIENTS_KEPT`] entries, and one for each credential. Clients beyond
//!    that share one bucket: whoever comes from very many addresses meets the limit of one.
//! 3. A credential always has its own bucket: nobody without it can take anything out of that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many clients are told apart.
pub(crate) const CLIENTS_KEPT: usize = 1024;

/// A limit on what one client may do: so much at once, and so much per second from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a quiet time. At least 1.
    pub burst: u32,
    /// How many per second. At least 1.
    pub per_second: u32,
}

/// Whom a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An address; of IPv6, the first 64 bits, since a client has all of the rest.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
    /// Whoever has the token at this place of the list.
    Token(u16),
    /// Whoever has a certificate that the rule at this place matches.
    Certificate(u16),
    /// All for whom the table has no place.
    Rest,
}

/// Buckets of all clients.
#[derive(Debug)]
pub(crate) struct Rates {
    rate: Rate,
    begin: Instant,
    /// When each bucket will be full; one that is full is not needed.
    full_at: Mutex<HashMap<Client, Duration>>,
}

// === impl Client ===

impl Client {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Returns whether it has proved to be one of those that the configuration names.
    fn is_named(self) -> bool {
        matches!(self, Self::Token(_) | Self::Certificate(_))
    }
}

// === impl Rates ===

impl Rates {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, begin: Instant::now(), full_at: Mutex::default() }
    }

    /// Takes one of what the client has, or says how long until there is one.
    pub(crate) fn take(&self, client: Client) -> Result<(), Duration> {
        self.take_at(client, self.begin.elapsed())
    }

    fn take_at(&self, client: Client, now: Duration) -> Result<(), Duration> {
        let interval = Duration::from_secs(1) / self.rate.per_second.max(1);
        let room = interval * (self.rate.burst.max(1) - 1);
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS_KEPT && !buckets.contains_key(&client) {
            buckets.retain(|_, full_at| *full_at > now);
        }
        // One place is kept for the rest.
        let is_known =
            client.is_named() || buckets.len() < CLIENTS_KEPT - 1 || buckets.contains_key(&client);
        let client = if is_known { client } else { Client::Rest };
        let full_at = buckets.get(&client).copied().unwrap_or_default().max(now);
        let too_early = full_at.saturating_sub(now).saturating_sub(room);
        if too_early > Duration::ZERO {
            return Err(too_early);
        }
        buckets.insert(client, full_at + interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u32) -> Client {
        Client::of(IpAddr::V4(last.into()))
    }

    fn rates(burst: u32, per_second: u32) -> Rates {
        Rates::new(Rate { burst, per_second })
    }

    #[track_caller]
    fn check(rates: &Rates, who: u32, now: u64, expected: Option<u64>) {
        let taken = rates.take_at(client(who), Duration::from_millis(now));
        assert_eq!(taken.err().map(|wait| wait.as_millis()), expected.map(u128::from), "{now}");
    }

    #[test]
    fn a_burst_then_a_rate() {
        let rates = rates(3, 10);
        for _ in 0..3 {
            check(&rates, 1, 0, None);
        }
        check(&rates, 1, 0, Some(100));
        check(&rates, 1, 50, Some(50));
        check(&rates, 2, 50, None);
        check(&rates, 1, 100, None);
        check(&rates, 1, 100, Some(100));
        // What was refused is not held against it.
        for _ in 0..4 {
            check(&rates, 1, 150, Some(50));
        }
        check(&rates, 1, 200, None);
    }

    #[test]
    fn clients_beyond_the_table_share_a_bucket() {
        let rates = rates(1, 1);
        for who in 0..10_000 {
            let _ = rates.take_at(client(who), Duration::ZERO);
        }
        assert!(rates.full_at.lock().expect("no panic").len() <= CLIENTS_KEPT);
        check(&rates, 20_000, 0, Some(1000));
        check(&rates, 0, 0, Some(1000));
        // Once the buckets are full again there is room.
        check(&rates, 20_000, 1000, None);
        check(&rates, 20_001, 1000, None);
    }

    #[test]
    fn a_crowd_takes_nothing_from_a_credential() {
        let rates = rates(1, 1);
        for who in 0..10_000 {
            let _ = rates.take_at(client(who), Duration::ZERO);
        }
        for who in 0..256 {
            for named in [Client::Token(who), Client::Certificate(who)] {
                assert_eq!(rates.take_at(named, Duration::ZERO), Ok(()));
                assert!(rates.take_at(named, Duration::ZERO).is_err());
            }
        }
        assert!(rates.full_at.lock().expect("no panic").len() <= CLIENTS_KEPT + 512);
    }

    #[test]
    fn a_network_is_one_client() {
        let of = |text: &str| Client::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
