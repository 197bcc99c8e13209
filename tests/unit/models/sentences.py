"""Sentences of many kinds: some to calibrate an encoder with, others to compare it on."""

CALIBRATION = """
The ferry leaves the harbour at a quarter past six.
Please send the signed contract back before Friday.
I have never tasted bread as good as my grandmother's.
What is the fastest way to sort a very long list of numbers?
Heavy snow closed both passes over the mountains last night.
The committee rejected the budget by nine votes to five.
She laughed, put down the book and looked out of the window.
Insulin lowers the amount of sugar in the blood.
Turn the oven down and let the cake cool for half an hour.
Their second album was recorded in an empty church in Leipzig.
Why did the server return an error after the last update?
The striker missed a penalty in the final minute of the match.
Water boils at a lower temperature on top of a high mountain.
Nobody answered when he knocked, so he walked around the house.
The museum will be closed for repairs until the first of March.
Shares of the airline fell by eight percent, their worst day this year.
Press and hold the button for five seconds to reset the device.
An old oak stood alone in the middle of the wheat field.
Could you recommend a quiet hotel close to the station?
The treaty was signed in 1648 and ended thirty years of war.
Bees find their way home by the position of the sun.
The defendant denied all charges and asked for a new lawyer.
12, 15 and 18 are all divisible by three.
Don't forget to water the plants while we are away!
""".strip().splitlines()

COMPARISON = """
A small boat crossed the bay in the early morning.
The last train to the coast departs at midnight.
Could someone return my umbrella to the front desk?
He signed the agreement without reading a single page.
Fresh bread and salted butter are all I need for breakfast.
This algorithm sorts a million records in under a second.
Our program crashes whenever the input file is empty.
The road over the pass is blocked by fallen rocks.
A cold wind blew from the north and it began to rain.
Parliament approved the new tax law on Tuesday.
The mayor lost the election by fewer than a hundred votes.
She closed her eyes and listened to the sea.
My brother plays the cello in a chamber orchestra.
The vaccine protects most adults for at least ten years.
A doctor should examine the wound as soon as possible.
Whisk the eggs with sugar until the mixture turns pale.
Simmer the lentils with garlic, cumin and a bay leaf.
The band cancelled its tour after the singer fell ill.
Her first novel was translated into twenty languages.
How can I export my photos to an external drive?
The battery lasts about two days on a single charge.
They scored twice in extra time and won the cup.
The goalkeeper saved three shots in the first half.
Light takes eight minutes to travel from the sun to the earth.
Gold is denser than lead but softer than iron.
The detective noticed fresh mud on the kitchen floor.
Someone had left the back door open all night.
The gallery shows paintings by local artists until May.
Visitors must leave their bags in the cloakroom.
Profits doubled although sales stayed the same.
The central bank raised interest rates by half a point.
Unplug the printer before you open its cover.
If the red lamp blinks, check the water level first.
Two deer grazed at the edge of the forest.
The river floods the meadow every spring.
Is there a pharmacy near the main square?
We booked a table for six at half past seven.
The empire collapsed after a century of civil war.
Archaeologists found a Roman coin beneath the old bridge.
Whales sing to each other across hundreds of miles.
A spider can go without food for several weeks.
The judge sentenced him to three years in prison.
The witness could not remember the colour of the car.
Seven times eight is fifty-six.
A triangle with three equal sides has three equal angles.
Happy birthday, and many happy returns!
I am sorry that I missed your call yesterday.
The children built a castle of sand on the beach.
Nothing is as patient as paper.
Tomorrow we will paint the fence green.
""".strip().splitlines()
