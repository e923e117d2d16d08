//! Groups: services that are restarted together, as the children of one OTP supervisor are.
//!
//! # Invariants
//!
//! 1. A service is a member of at most one group, and of that once. Members come and go while the
//!    application runs: who joins comes last.
//! 2. A group decides about restarts after failures only. It adds no dependency: who needs whom is
//!    the graph's to say, and whoever puts an application together adds the edges that the order of
//!    a [`Strategy::RestForOne`] group asks for.

use std::fmt;

use crate::graph::ServiceId;

/// The most members of one group: a failure looks at each of them.
pub const MAX_MEMBERS: usize = 1024;

/// Who is restarted when a member of a group failed.
///
/// The words and their meanings are those of OTP's supervisors. As there, only a failure that the
/// member's restart policy answers with a restart counts: a member that an operator stops or
/// restarts, or that is never restarted, leaves the others alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The one that failed.
    #[default]
    OneForOne,
    /// All: the others are stopped in order, and all start again once the last one is gone.
    OneForAll,
    /// Those that come after it in the group, with it.
    RestForOne,
}

/// Services that are restarted together, in the order in which they were listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Who is restarted with whom.
    pub strategy: Strategy,
    /// The members; the order counts for [`Strategy::RestForOne`].
    pub members: Vec<ServiceId>,
}

/// The groups of an application.
///
/// ```
/// use processpype_core::{Group, Groups, ServiceId, Strategy};
///
/// let [queue, reader, writer] = [0, 1, 2].map(ServiceId);
/// let members = vec![queue, reader, writer];
/// let group = Group { strategy: Strategy::RestForOne, members };
/// let groups = Groups::new(3, [group])?;
/// assert_eq!(groups.mates(reader), [writer], "restarted when the reader fails");
/// assert_eq!(groups.mates(writer), []);
/// # Ok::<(), processpype_core::InvalidGroup>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Groups {
    groups: Vec<Group>,
    /// For each service its group and its place there. Empty if there is no group.
    places: Vec<Option<Place>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    group: u32,
    place: u32,
}

/// Why groups are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidGroup {
    /// A service is a member of two groups, or twice of one.
    TwiceAMember(ServiceId),
    /// A group has no member, or more than [`MAX_MEMBERS`].
    Size(usize),
}

// === impl Strategy ===

impl Strategy {
    /// Every strategy, as they are listed in OTP's documentation.
    pub const ALL: &'static [Self] = &[Self::OneForOne, Self::OneForAll, Self::RestForOne];

    /// Returns the word as it stands in the file and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneForOne => "one-for-one",
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Groups ===

impl Groups {
    /// Makes the groups of an application of `services` services.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidGroup`] if a service is a member twice, or a group has no member or more
    /// than [`MAX_MEMBERS`].
    ///
    /// # Panics
    ///
    /// Panics if a member is not below `services`.
    pub fn new(
        services: u32,
        groups: impl IntoIterator<Item = Group>,
    ) -> Result<Self, InvalidGroup> {
        let groups: Vec<Group> = groups.into_iter().collect();
        let mut places = vec![None; if groups.is_empty() { 0 } else { services as usize }];
        for (group, number) in groups.iter().zip(0..) {
            let size = group.members.len();
            if size == 0 || size > MAX_MEMBERS {
                return Err(InvalidGroup::Size(size));
            }
            for (&member, place) in group.members.iter().zip(0..) {
                assert!(member.0 < services, "a group names a service outside the graph");
                let place = Place { group: number, place };
                if places[member.index()].replace(place).is_some() {
                    return Err(InvalidGroup::TwiceAMember(member));
                }
            }
        }
        Ok(Self { groups, places })
    }

    /// Returns the groups, in the order in which they were given.
    #[must_use]
    pub fn all(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the number of the group of a service.
    #[must_use]
    pub fn group_of(&self, service: ServiceId) -> Option<usize> {
        self.place(service).map(|place| place.group as usize)
    }

    /// Returns who else is restarted when `service` failed; itself may be among them.
    ///
    /// It is among them in a one-for-all group, where the list is the whole group.
    #[must_use]
    pub fn mates(&self, service: ServiceId) -> &[ServiceId] {
        let Some((group, place)) = self.group_and_place(service) else { return &[] };
        match group.strategy {
            Strategy::OneForOne => &[],
            Strategy::OneForAll => &group.members,
            Strategy::RestForOne => &group.members[place + 1..],
        }
    }

    /// Returns whose failure restarts `service` without being restarted by its own: those before it
    /// in a rest-for-one group.
    #[must_use]
    pub fn before(&self, service: ServiceId) -> &[ServiceId] {
        match self.group_and_place(service) {
            Some((group, place)) if group.strategy == Strategy::RestForOne => {
                &group.members[..place]
            }
            _ => &[],
        }
    }

    /// Returns the same groups over `services` services.
    pub(crate) fn widened(&self, services: usize) -> Self {
        let mut wider = self.clone();
        if !wider.groups.is_empty() {
            wider.places.resize(services.max(wider.places.len()), None);
        }
        wider
    }

    /// Returns the groups, over `services` services, with one more member at the end of a group.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidGroup`] if the service is a member, or the group is full.
    pub(crate) fn joined(
        &self,
        services: usize,
        group: usize,
        member: ServiceId,
    ) -> Result<Self, InvalidGroup> {
        let mut wider = self.widened(services);
        let members = &mut wider.groups[group].members;
        if members.len() == MAX_MEMBERS {
            return Err(InvalidGroup::Size(MAX_MEMBERS + 1));
        }
        members.push(member);
        let place = Place { group: group as u32, place: members.len() as u32 - 1 };
        match wider.places[member.index()].replace(place) {
            None => Ok(wider),
            Some(_) => Err(InvalidGroup::TwiceAMember(member)),
        }
    }

    /// Returns the groups without a member. A group whose last one has left has none.
    pub(crate) fn left(&self, member: ServiceId) -> Self {
        let mut fewer = self.clone();
        let Some(Place { group, place }) = self.place(member) else { return fewer };
        fewer.groups[group as usize].members.remove(place as usize);
        fewer.places[member.index()] = None;
        let of_group = |other: &&mut Place| other.group == group && other.place > place;
        for later in fewer.places.iter_mut().flatten().filter(of_group) {
            later.place -= 1;
        }
        fewer
    }

    fn group_and_place(&self, service: ServiceId) -> Option<(&Group, usize)> {
        let place = self.place(service)?;
        Some((&self.groups[place.group as usize], place.place as usize))
    }

    fn place(&self, service: ServiceId) -> Option<Place> {
        self.places.get(service.index()).copied().flatten()
    }
}

// === impl InvalidGroup ===

impl fmt::Display for InvalidGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwiceAMember(_) => f.write_str("a service is a member of two groups"),
            Self::Size(0) => f.write_str("a group has no member"),
            Self::Size(size) => write!(f, "a group has {size} members, more than {MAX_MEMBERS}"),
        }
    }
}

impl std::error::Error for InvalidGroup {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>(ids: [u32; N]) -> Vec<ServiceId> {
        ids.map(ServiceId).to_vec()
    }

    fn group<const N: usize>(strategy: Strategy, members: [u32; N]) -> Group {
        Group { strategy, members: ids(members) }
    }

    #[track_caller]
    fn check(strategy: Strategy, mates: &[u32], before: &[u32]) {
        let groups = Groups::new(4, [group(strategy, [3, 1, 0])]).expect("a valid group");
        let of = |found: &[ServiceId]| found.iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(of(groups.mates(ServiceId(1))), mates);
        assert_eq!(of(groups.before(ServiceId(1))), before);
        assert_eq!(groups.mates(ServiceId(2)), [], "no member");
    }

    #[test]
    fn mates_by_strategy() {
        check(Strategy::OneForOne, &[], &[]);
        check(Strategy::OneForAll, &[3, 1, 0], &[]);
        check(Strategy::RestForOne, &[0], &[3]);
    }

    #[test]
    fn a_service_is_a_member_once() {
        let refused = |groups: &[Group]| Groups::new(4, groups.to_vec()).expect_err("refused");
        let (all, one) = (Strategy::OneForAll, Strategy::OneForOne);
        let twice = InvalidGroup::TwiceAMember(ServiceId(1));
        assert_eq!(refused(&[group(all, [0, 1]), group(one, [1])]), twice);
        assert_eq!(refused(&[group(all, [1, 1])]), twice);
        assert_eq!(refused(&[group(all, [])]), InvalidGroup::Size(0));
    }
}
