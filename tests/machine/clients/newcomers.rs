//! Clients that have not finished STARTUP: how long they may take, how many there may be, and who gives way.

use crate::support::rig::Rig;

#[test]
fn clients_far_beyond_the_bound_are_closed_and_no_refused_one_stays() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 1);
    let _served = rig.client();
    for _ in 0..256 {
        rig.silent_client();
    }
    let address = ([127, 0, 0, 1], 9042).into();
    assert!(rig.input(|engine| engine.on_client_open(address)).is_none());
    rig.pass_time(2_000_000);
    assert_eq!(rig.clients_to_close().len(), 256);
    assert_eq!((rig.engine.tally().clients_refused, rig.engine.tally().clients_silent), (257, 0));
}

#[test]
fn a_client_that_says_nothing_is_closed_with_an_error() {
    let mut rig = Rig::with_limits(|limits| limits.login_timeout_us = 30_000_000);
    let silent = rig.silent_client();
    let served = rig.client();
    rig.pass_time(29_000_000);
    assert!(rig.clients_to_close().is_empty() && rig.engine.gauges().newcomers == 1);
    rig.pass_time(1_000_000);
    let answer = rig.answer(silent);
    let text = answer.error().text;
    assert!(text.contains("within 30000 ms, which is timeouts.login_ms"), "{text}");
    assert_eq!((rig.clients_to_close(), rig.engine.tally().clients_silent), (vec![silent], 1));
    assert!(rig.engine.may_read(served));
    rig.finish();
}

#[test]
fn silent_clients_give_way_to_others() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 8);
    let silent: Vec<_> = (0..4).map(|_| rig.silent_client()).collect();
    rig.pass_time(99_999);
    let early = rig.client();
    assert!(rig.clients_to_close().is_empty(), "their messages may be on their way");
    rig.leave(early);
    rig.pass_time(1);
    let mut served = vec![rig.client()];
    let mut closed = rig.clients_to_close();
    assert_eq!(closed, silent[..1], "half of the places are for them, and no more");
    assert!(rig.answer(silent[0]).error().text.contains("had not finished STARTUP and login"));
    rig.leave(silent[0]);
    for _ in 1..8 {
        served.push(rig.client());
        let more = rig.clients_to_close();
        more.iter().for_each(|client| rig.leave(*client));
        closed.extend(more);
    }
    assert_eq!(closed, silent, "the oldest first, and none that is served");
    assert!(served.iter().all(|client| rig.engine.may_read(*client)));
    assert_eq!(rig.engine.tally().clients_refused, 0);
    rig.finish();
}

#[test]
fn hundreds_of_silent_clients_a_second_keep_no_other_out() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 60);
    for round in 0..1_000 {
        rig.silent_client();
        if round % 10 == 0 {
            let served = rig.client();
            rig.leave(served);
        }
        rig.pass_time(4_000);
        for client in rig.clients_to_close() {
            rig.leave(client);
        }
    }
    assert_eq!(rig.engine.tally().clients_refused, 0);
    assert!(rig.engine.gauges().newcomers <= 31, "{}", rig.engine.gauges().newcomers);
    rig.finish();
}
