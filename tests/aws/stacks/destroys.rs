//! Destroys: buckets are emptied, what blocks is named, what is kept is listed.

use super::World;

fn bucket(world: &World, id: &str) -> String {
    world.aws.stack("small-dev").resources.iter().find(|r| r.id == id).unwrap().physical.clone()
}

#[test]
fn buckets_are_emptied_before_the_stack_goes() {
    let world = World::deployed();
    let landing = bucket(&world, "LandingBucket");
    for n in 0..3 {
        world.aws.state().objects.insert(format!("{landing}/k{n}"), b"x".to_vec());
    }
    let err = world.fails("destroy small", 3);
    assert!(err.contains("its buckets are emptied first: 3 versions of objects"), "{err}");
    let (_, err) = world.done("destroy small --yes");
    assert!(err.contains("small-dev is destroyed"), "{err}");
    assert!(err.contains(&format!("emptying {landing}: 3 versions deleted so far")), "{err}");
    assert!(err.contains(&format!("{landing} is empty: 3 versions deleted")), "{err}");
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE");
    assert!(world.aws.state().objects.keys().all(|k| !k.starts_with(&landing)));
}

#[test]
fn what_is_in_the_way_is_named_and_can_be_left_behind() {
    let world = World::deployed();
    world.aws.state().undeletable.insert("AlarmsTopic".into(), "the topic is in use".into());
    assert!(world.fails("destroy small --retain AlarmsTopic --yes", 1).contains("DELETE_FAILED"));
    let err = world.fails("destroy small --yes", 1);
    assert!(err.contains("small-dev is DELETE_FAILED: in the way is AlarmsTopic"), "{err}");
    assert!(err.contains("the topic is in use") && err.contains("--retain AlarmsTopic"), "{err}");
    assert!(world.fails("deploy small --yes", 1).contains("its removal failed half-way"));
    let (_, err) = world.done("destroy small --retain AlarmsTopic --yes");
    assert!(err.contains("kept: topic") && err.contains("aws sns delete-topic"), "{err}");
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE");
}

#[test]
fn what_is_kept_on_purpose_is_not_emptied_and_listed_at_the_end() {
    let world = World::new();
    world.done("deploy small --env prod --confirm small-prod");
    world.done("protect small --env prod --off --confirm small-prod");
    let resources = world.aws.stack("small-prod").resources;
    let landing = resources.iter().find(|r| r.id == "LandingBucket").unwrap().physical.clone();
    world.aws.state().objects.insert(format!("{landing}/k"), b"x".to_vec());
    let (_, err) = world.done("destroy small --env prod --confirm small-prod");
    assert!(err.contains(&format!("kept: bucket {landing} (LandingBucket); to remove it: aws s3 rb")), "{err}");
    assert!(world.aws.state().objects.contains_key(&format!("{landing}/k")));
}
