"""One house for all stories, and the firm that most of them happen in: each story has clients of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.journeys.house import House
from tests.journeys.person import Colleagues
from tests.postroom.deployment import a_database, a_redis
from tests.servers import Server, open_folder

FIRM = "Sample and Partners"
CLIENTS = """client_id,client_name,client_number,contact_name,address
1,Harbour Bakery,1001,Pat Example,pat@harbour.example
2,Northgate Dental,1002,Reception,office@northgate.example
3,Placeholder Partners,1003,Kim Placeholder,kim@placeholder.example
4,Specimen Garage,1004,Alex Specimen,alex@specimen.example
5,Sundry Flowers,1005,Lou Sundry,lou@sundry.example
6,Twofold Textiles,1006,Dee Twofold,dee@twofold.example
7,Family Trust,1007,Dee Twofold,dee@twofold.example
8,Copied Couriers,1008,Bo Copied,bo@copied.example
9,Thrice Theatre,1009,Ola Thrice,ola@thrice.example
10,Vanishing Vans,1010,Ed Vanishing,ed@vanishing.example
11,Riverside Pottery,1011,Ann Riverside,ann@riverside.example
12,Lantern Bookshop,1012,Bea Lantern,bea@lantern.example
13,Seven Bridges,1013,Cas Sevenbridges,cas@sevenbridges.example
14,Crowded Cafe,1014,Flo Crowded,flo@crowded.example
15,Oddly Encoded,1015,Gil Oddly,gil@oddly.example
16,Spelling Studio,1016,Hal Spelling,hal@spelling.example
17,Repeating Radio,1017,Ida Repeating,ida@repeating.example
18,Shared Surname,1018,Jan Shared,jan@shared-surname.example
"""


@pytest.fixture(scope="package")
async def house(postgres: Server, valkey_server: Server) -> AsyncIterator[House]:
    with open_folder() as folder:
        made = House(folder, await a_database(postgres, "journeys"), a_redis(valkey_server, 1))
        try:
            await made.open()
            yield made
        finally:
            await made.close()


@pytest.fixture(scope="package")
async def firm(house: House) -> Colleagues:
    return Colleagues(*await house.firm(FIRM, CLIENTS, admins=("sam@sample.test",), staff=("robin@sample.test", "kit@sample.test")))
