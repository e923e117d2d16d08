//! Every endpoint of the table, so that a new one cannot be left open: who is let in by its row,
//! and that no page of another site is.

use processpype_api::{Access, ENDPOINTS, Endpoint, Method};
use processpype_core::{Role, ServiceState};

use super::{ADMIN, EVERYWHERE, LOOPBACK, OPERATOR, Site, VIEWER};

/// The request of an endpoint. A service's own routes have rules of their own.
fn request(endpoint: &Endpoint) -> Option<String> {
    let method = match endpoint.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Any => return None,
    };
    let path = endpoint.path.replace("{name}", "unsaid").replace("{id}", "1");
    assert!(!path.contains('{'), "this test does not know how to fill in {path}");
    Some(format!("{method} {path}"))
}

/// The role that an endpoint asks for; `None` if it asks nobody.
fn role(access: Access, is_loopback: bool) -> Option<Role> {
    match access {
        Access::Probe => None,
        Access::Loopback(_) if is_loopback => None,
        Access::Loopback(role) | Access::Role(role) => Some(role),
        Access::Metrics => Some(Role::Viewer),
        Access::Service => unreachable!("those are left out"),
    }
}

#[tokio::test]
async fn who_may_not_call_an_endpoint_is_refused_at_each() {
    for (address, is_loopback) in [(LOOPBACK, true), (EVERYWHERE, false)] {
        let site = Site::at(address).await;
        for endpoint in ENDPOINTS {
            let Some(request) = request(endpoint) else { continue };
            let Some(role) = role(endpoint.access, is_loopback) else { continue };
            let what = format!("{request} at {address}");
            assert_eq!(site.status(&request, None).await, 401, "{what}");
            assert_eq!(site.status(&request, Some("canary-token-of-nobody")).await, 401, "{what}");
            for (smaller, token) in [(Role::Viewer, VIEWER), (Role::Operator, OPERATOR)] {
                if smaller < role {
                    assert_eq!(site.status(&request, Some(token)).await, 403, "{what}");
                }
            }
        }
        assert_eq!(site.manager.state("unsaid"), Some(ServiceState::Running));
        assert!(!site.manager.is_closing());
    }
}

#[tokio::test]
async fn no_endpoint_is_for_pages_of_other_sites_nor_under_another_name() {
    let site = Site::at(LOOPBACK).await;
    let token = format!("Authorization: Bearer {ADMIN}\r\n");
    for request in ENDPOINTS.iter().filter_map(request) {
        for header in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"]
        {
            let answer = site.ask(&request, &format!("{header}\r\n{token}")).await;
            assert_eq!(answer.status, 403, "{request}, {header}: {}", answer.text);
            answer.says(403, &["cross-origin"]);
        }
        let rest = format!("Host: evil.example\r\nConnection: close\r\n{token}\r\n");
        let rebound = site.raw(&format!("{request} HTTP/1.1\r\n{rest}")).await;
        assert_eq!(rebound.status, 421, "{request}: {}", rebound.text);
    }
    assert_eq!(site.manager.state("unsaid"), Some(ServiceState::Running));
    assert!(!site.manager.is_closing());
}
